package fold

import (
	"fmt"
	"testing"
	"time"
)

// TestPairsThatDifferInOneFactAreTwo: a number, a name or a date is another
// statement, from one source and from two, whatever else is equal.
func TestPairsThatDifferInOneFactAreTwo(t *testing.T) {
	for _, tt := range []struct{ lang, title, text, one, other string }{
		{"en", "Designation", "Today the Ministry designated %s for the procurement of missile parts. His assets are frozen, and entry is banned.", "Ivan Petrov", "Oleg Sidorov"},
		{"ko", "제재 지정", "정부는 5월 12일 미사일 부품 조달에 관여한 %s을 제재 대상으로 지정하였다. 자산은 동결되고 입국은 금지된다.", "김철수", "박영호"},
		{"en", "Earthquake", "An earthquake of magnitude 6.2 struck %s on 4 March, killing 13 people and injuring 120.", "northern Chile", "Peru"},
		{"en", "Test", "The test of %s violated Security Council resolutions, the ministry said, and called on the leadership to return to talks without delay.", "3 May", "9 June"},
		{"fr", "Convocation", "L'ambassadeur d'Iran a été convoqué le %s à la suite d'une cyberattaque contre un hôpital de Lyon.", "3 mai", "9 juin"},
		{"ru", "О санкциях", "МИД внёс в список %s компаний, поставлявших детали ракет. Их активы заморожены.", "14", "19"},
		{"ja", "制裁", "外務省は、ミサイル部品を調達した%sを制裁対象に指定した。資産は凍結される。", "北星貿易", "東方商会"},
		{"de", "Beileid", "Wir sprechen den Menschen in %s unser tiefes Beileid zum Erdbeben aus und bieten unsere Hilfe an.", "Nepal", "Peru"},
		{"ar", "بيان", "أدانت الوزارة الهجوم الذي وقع في %s وأسفر عن مقتل 12 شخصا.", "بغداد", "دمشق"},
		{"zh", "关于地震的慰问", "外交部就%s发生的地震向遇难者家属表示慰问，造成12人死亡。", "秘鲁", "尼泊尔"},
		{"es", "Informe diario", "El portavoz dijo en su informe número %s que la misión sigue en la frontera y que la ayuda llega a los desplazados.", "41", "42"},
	} {
		for _, other := range []string{"first", "second"} {
			var x Index
			x.Add("one", Member{"first", "1"}, Of(tt.title, fmt.Sprintf(tt.text, tt.one), tt.lang), now)
			d := x.Decide(Member{other, "2"}, Of(tt.title, fmt.Sprintf(tt.text, tt.other), tt.lang), now.Add(time.Hour))
			if d.Kind != New {
				t.Errorf("%s, from the %s source: %+v", tt.text, other, d)
			}
			if d := x.Decide(Member{"third", "3"}, Of(tt.title, fmt.Sprintf(tt.text, tt.one), tt.lang), now.Add(time.Hour)); d.Kind != Same {
				t.Errorf("%s, as it is: %+v, want the same", tt.text, d)
			}
		}
	}
}
