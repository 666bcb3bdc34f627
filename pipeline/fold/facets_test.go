package fold

import (
	"reflect"
	"testing"

	"tocsin"
)

func TestFacets(t *testing.T) {
	for _, tt := range []struct {
		name, lang, title, text string
		want                    tocsin.Facets
	}{
		{
			"English", "en", "Joint statement by nine countries", "The foreign ministers of Japan, the Republic of Korea, France, Germany, Italy, Poland, Ukraine, the United Kingdom and the United States of America deplore the launch of KN-23 missiles against Security Council resolutions 1695 (2006) and 1874 (2009).",
			tocsin.Facets{Signatories: []string{"DE", "FR", "GB", "IT", "JP", "KR", "PL", "UA", "US"}, Signed: 9, Resolutions: []string{"1695 (2006)", "1874 (2009)"}, Systems: []string{"KN-23 / Hwasong-11A"}},
		},
		{
			"resolutions of the General Assembly", "en", "Statement", "Against resolution 1718, General Assembly resolution 76/300 and resolution 2270/Rev.",
			tocsin.Facets{Resolutions: []string{"1718"}},
		},
		{
			"French", "fr", "Déclaration conjointe", "Les ministres de l'Albanie, de l'Autriche, de la Belgique, du Canada, de l'Estonie et de la Finlande rappellent la résolution 2270 (2016).",
			tocsin.Facets{Signatories: []string{"AL", "AT", "BE", "CA", "EE", "FI"}, Resolutions: []string{"2270 (2016)"}},
		},
		{
			"German", "de", "Gemeinsame Erklärung von 31 Staaten", "Deutschland, Frankreich, Polen, Italien, Spanien und Norwegen erklären.",
			tocsin.Facets{Signatories: []string{"DE", "ES", "FR", "IT", "NO", "PL"}, Signed: 31},
		},
		{
			"Japanese", "ja", "48か国による共同声明", "日本、韓国、フランス、ドイツ、イタリア、英国の外相は、安保理決議第1718号に違反すると述べた。",
			tocsin.Facets{Signatories: []string{"DE", "FR", "GB", "IT", "JP", "KR"}, Signed: 48, Resolutions: []string{"1718"}},
		},
		{
			"Ukrainian", "uk", "Спільна заява", "Від імені Латвії, Литви, Естонії, Польщі, Румунії та Чехії.",
			tocsin.Facets{Signatories: []string{"CZ", "EE", "LT", "LV", "PL", "RO"}},
		},
		{
			"Korean", "ko", "공동성명", "한국, 일본, 미국, 영국, 프랑스, 독일은 결의 1718호 위반을 규탄한다.",
			tocsin.Facets{Signatories: []string{"DE", "FR", "GB", "JP", "KR", "US"}, Resolutions: []string{"1718"}},
		},
		{
			"a year after the sign that counts", "ja", "", "安保理決議第1540号（2004年）及び第1929号(2010年)に違反する。",
			tocsin.Facets{Resolutions: []string{"1540 (2004)", "1929 (2010)"}},
		},
		{
			"a year after the sign that counts, in Chinese", "zh", "", "违反安理会第1540号（2004年）决议和第1929（2010）号决议。",
			tocsin.Facets{Resolutions: []string{"1540 (2004)", "1929 (2010)"}},
		},
		{
			"a year after the sign that counts, in Korean", "ko", "", "안보리 결의 1540호(2004)를 위반했다.",
			tocsin.Facets{Resolutions: []string{"1540 (2004)"}},
		},
		{"no joint statement", "en", "Trade figures", "Exports to Japan, France, Germany, Italy, Poland and Spain rose in 12 countries.", tocsin.Facets{}},
		{
			"resolutions in a row", "en", "", "They recalled resolutions 1718, 1874 and 2270, and that 500 people came.",
			tocsin.Facets{Resolutions: []string{"1718", "1874", "2270"}},
		},
		{"a matter that took days", "en", "", "The resolution of all problems took 500 days.", tocsin.Facets{}},
		{
			"targets are no signatories", "en", "Joint statement by six countries", "We, the foreign ministers of Japan, France, Germany, Italy, Poland and Spain, agree. From Monday all six will apply one and the same set of measures in this matter. We announce sanctions against Russia, Belarus, Iran, Syria, Cuba, Venezuela, Myanmar and Sudan.",
			tocsin.Facets{Signatories: []string{"DE", "ES", "FR", "IT", "JP", "PL"}, Signed: 6},
		},
		{
			"all members are not meant", "en", "Joint statement", "Of 193 countries, 48 countries signed with us.",
			tocsin.Facets{Signed: 48},
		},
		{"too few to be a list", "en", "Joint statement", "Japan and France and Germany said so.", tocsin.Facets{}},
		{"a year is no resolution", "en", "On a resolution", "The resolution of 2019 was kept; 1500 people came.", tocsin.Facets{}},
		{"nothing", "", "", "", tocsin.Facets{}},
	} {
		if got := FacetsOf(tt.title, tt.text, tt.lang); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}
