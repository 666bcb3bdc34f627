package words

import (
	"strings"
	"testing"
)

// places writes s with a bar where a sentence ends, and two where a paragraph does.
func places(s string) string {
	t := Cut(s)
	var b strings.Builder
	for i, w := range t.Words {
		switch {
		case i == 0:
		case t.Paragraph(i) != t.Paragraph(i-1):
			b.WriteString(" || ")
		case t.Sentence(i) != t.Sentence(i-1):
			b.WriteString(" | ")
		case w.Class != Packed || t.Words[i-1].Class != Packed:
			b.WriteString(" ")
		}
		b.WriteString(w.Form)
	}
	return b.String()
}

func TestSentencesEndWhereAReaderEndsThem(t *testing.T) {
	for _, c := range []struct{ rule, text, want string }{
		{"marks", "One. Two! Three? Four… Five", "one | two | three | four | five"},
		{"a small letter goes on", "Why? he asked. again... and again", "why he asked again and again"},
		{"quotes and brackets behind the mark", `He said "Stop." (Then he left.) They did`, "he said stop | then he left | they did"},
		{"no space behind it", "They sent missiles.The ship left", "they sent missiles | the ship left"},
		{"numbers and hosts", "3.5 tonnes at mofa.go.jp today", "3 5 tonnes at mofa go jp today"},
		{"titles", "Mr. Smith, Dr. Jones and Gen. De Witt met", "mr smith dr jones and gen de witt met"},
		{"initials", "J. R. Smith and J.R. Smith met A. The", "j r smith and jr smith met a the"},
		{"numbers of things", "See No. 5, art. 7 and n° 8. The", "see no 5 art 7 and n 8 | the"},
		{"acronyms go on", "The U.S. President left", "the us president left"},
		{"unless a sentence clearly begins", "He left the U.S. The ship stayed", "he left the us | the ship stayed"},
		{"so do abbreviations", "Arms, etc. It ended. Acme Inc. Paris", "arms etc | it ended | acme inc paris"},
		{"years end sentences", "It began in 2024. Germany agreed", "it began in 2024 | germany agreed"},
		{"ordinals do not", "am 3. Oktober in Wien. Danach", "am 3 oktober in wien | danach"},
		{"German", "Dr. Weiß sprach u.a. von Raketen. Es war z.B. Öl", "dr weiss sprach ua von raketen | es war zb ol"},
		{"French", "M. Dupont et Mme. Durand. Ils partent", "m dupont et mme durand | ils partent"},
		{"Spanish", "¿Por qué? ¡No! El Sr. García", "por que | no | el sr garcia"},
		{"Polish", "W 2024 r. Polska wysłała rakiety. Nie wiadomo", "w 2024 r polska wyslala rakiety | nie wiadomo"},
		{"Russian", "В 2024 г. Россия, т.е. МИД РФ. Он им. Ленина", "в 2024 г россия те мид рф | он им ленина"},
		{"Ukrainian", "У 2024 р. Україна, ім. Шевченка! Далі", "у 2024 р украіна ім шевченка | далі"},
		{"Turkish", "Prof. Dr. Kaya 2. Ordu ile geldi. Sonra", "prof dr kaya 2 ordu ile geldi | sonra"},
		{"Chinese", "他说了。然后呢？好！走", "他说了 | 然后呢 | 好 | 走"},
		{"Japanese", "発射した。次は｡移転", "発射した | 次は | 移転"},
		{"Korean", "발사했다. 이전했다.", "발사했다 | 이전했다"},
		{"Arabic", "أطلق صاروخا. ثم ماذا؟ نقل", "اطلق صاروخا | ثم ماذا | نقل"},
		{"Urdu", "ایک۔ دو", "ايك | دو"},
		{"Hindi", "एक। दो॥ तीन", "एक | दो | तीन"},
		{"Thai goes on, spaces and dots or not", "ยิงขีป นาวุธ พ.ศ. ไทย", "ยิงขีปนาวุธพศไทย"},
		{"Burmese and Khmer full stops", "က။ ခ", "က | ခ"},
		{"Khmer full stops", "ក។ ខ", "ក | ខ"},
		{"a heading before an empty line", "A heading\n\nA text", "a heading || a text"},
		{"a line break alone is a space", "A heading\nA text\r\nAnd more", "a heading a text and more"},
		{"spaces in an empty line", "One\r\n \t\r\ntwo", "one || two"},
		{"a line with a dash is none", "One\n—\ntwo", "one two"},
		{"the paragraph separator", "One\u2029two", "one || two"},
	} {
		if got := places(c.text); got != c.want {
			t.Errorf("%s: %q is %s, want %s", c.rule, c.text, got, c.want)
		}
	}
}
