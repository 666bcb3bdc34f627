package words

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// spokenTexts are a long and a short text in each language of the built-in lists.
var spokenTexts = map[string][2]string{
	"en": {
		"The ministers who met on Tuesday said that they would not accept any further delivery of rockets to the armed group. They agreed to share what is known about the ships that were used, and to act against those who paid for them.",
		"Ministers agree on measures against those who shipped rockets",
	},
	"fr": {
		"Les ministres réunis mardi ont déclaré qu’ils n’accepteraient plus aucune livraison de roquettes au groupe armé. Ils sont convenus de partager ce que l’on sait des navires utilisés et d’agir contre ceux qui les ont payés.",
		"Les ministres conviennent de mesures contre les livreurs",
	},
	"de": {
		"Die Minister, die sich am Dienstag trafen, erklärten, dass sie keine weiteren Lieferungen von Raketen an die bewaffnete Gruppe hinnehmen werden. Sie wollen teilen, was über die Schiffe bekannt ist, und gegen die Geldgeber vorgehen.",
		"Minister einigen sich auf Maßnahmen gegen die Lieferanten",
	},
	"es": {
		"Los ministros que se reunieron el martes dijeron que no aceptarán más entregas de cohetes al grupo armado. Acordaron compartir lo que se sabe de los barcos que fueron usados y actuar contra quienes los pagaron.",
		"Los ministros acuerdan medidas contra quienes los enviaron",
	},
	"it": {
		"I ministri che si sono incontrati martedì hanno detto che non accetteranno altre consegne di razzi al gruppo armato. Hanno deciso di condividere quello che si sa delle navi usate e di agire contro chi le ha pagate.",
		"I ministri decidono misure contro chi ha spedito i razzi",
	},
	"pl": {
		"Ministrowie, którzy spotkali się we wtorek, oświadczyli, że nie zgodzą się na dalsze dostawy rakiet dla zbrojnej grupy. Uzgodnili, że podzielą się tym, co wiadomo o użytych statkach, i że wystąpią przeciwko tym, którzy za nie zapłacili.",
		"Ministrowie uzgodnili środki przeciw tym, którzy je wysłali",
	},
	"tr": {
		"Salı günü bir araya gelen bakanlar, silahlı gruba yeni roket teslimatlarını kabul etmeyeceklerini söyledi. Kullanılan gemiler hakkında bilinenleri paylaşmak ve bunların parasını ödeyenlere karşı harekete geçmek için anlaştılar.",
		"Bakanlar roketleri gönderenlere karşı önlem almak için anlaştı",
	},
	"ru": {
		"Министры, которые встретились во вторник, заявили, что не примут новых поставок ракет вооружённой группе. Они договорились делиться тем, что известно об этих судах, и действовать против тех, кто за них заплатил.",
		"Министры договорились о мерах против тех, кто их отправил",
	},
	"uk": {
		"Міністри, які зустрілися у вівторок, заявили, що не приймуть нових поставок ракет збройній групі. Вони домовилися ділитися тим, що відомо про ці судна, і діяти проти тих, хто за них заплатив.",
		"Міністри домовилися про заходи проти тих, хто їх відправив",
	},
	"ko": {
		"화요일에 만난 장관들은 무장 단체에 로켓이 더 전달되는 것을 받아들이지 않겠다고 밝혔다. 그들은 사용된 선박에 대해 알려진 것을 공유하기로 했다.",
		"장관들, 로켓을 보낸 자들에 대한 조치에 합의",
	},
	"ja": {
		"火曜日に会合した閣僚らは、武装組織へのロケットの引き渡しをこれ以上認めないと述べた。使われた船について分かっていることを共有することで一致した。",
		"閣僚らがロケットの送り主への措置で一致",
	},
	"zh": {
		"周二会晤的部长们表示，他们不会接受再向该武装团体运送火箭弹。他们同意分享有关所用船只的信息，并对付款的人采取行动。",
		"部长们同意对运送火箭弹的人采取措施",
	},
	"ar": {
		"قال الوزراء الذين اجتمعوا يوم الثلاثاء إنهم لن يقبلوا أي تسليم جديد للقذائف إلى الجماعة المسلحة. واتفقوا على تبادل ما هو معروف عن السفن التي استخدمت وعلى التحرك ضد من دفع ثمنها.",
		"الوزراء يتفقون على إجراءات ضد من أرسل القذائف إلى الجماعة",
	},
	"fa": {
		"وزیرانی که روز سه\u200cشنبه دیدار کردند گفتند که تحویل تازهٔ راکت به این گروه مسلح را نمی\u200cپذیرند. آنها توافق کردند که آنچه دربارهٔ کشتی\u200cها می\u200cدانند با هم در میان بگذارند.",
		"توافق وزیران بر سر اقدام علیه کسانی که راکت\u200cها را فرستادند",
	},
}

func TestALanguageIsToldOfTextsThatDeclareNone(t *testing.T) {
	for want, texts := range spokenTexts {
		for _, text := range texts {
			if got := Language("", text); got != want {
				t.Errorf("Language of %q is %q, want %q", text, got, want)
			}
			if got := Language("", text+"\n\n"+strings.Repeat(texts[0]+"\n", 60)); got != want {
				t.Errorf("Language of much of %q is %q, want %q", text, got, want)
			}
		}
	}
}

func TestADeclaredLanguageHolds(t *testing.T) {
	for want, texts := range spokenTexts {
		for _, text := range texts {
			if got := Language(want, text); got != want {
				t.Errorf("%s is declared for %q, and it is taken for %q", want, text, got)
			}
		}
	}
}

func TestALanguageWronglyDeclaredDoesNotHold(t *testing.T) {
	for want, texts := range spokenTexts {
		for declared := range spokenTexts {
			for i, text := range texts {
				if got := Language(declared, text); got != want && (i == 0 || got != "") {
					t.Errorf("%s is declared for %q, and it is taken for %q", declared, text, got)
				}
			}
		}
	}
}

func TestALanguageIsUnknownRatherThanWrong(t *testing.T) {
	en, fr, uk, ko := spokenTexts["en"][0], spokenTexts["fr"][0], spokenTexts["uk"][0], spokenTexts["ko"][0]
	for _, c := range []struct{ rule, declared, text, want string }{
		{"nothing to tell it by", "", "Missile", ""},
		{"nor against what is declared", "de-AT", "Missile", "de"},
		{"no text", "pt_BR", "", "pt"},
		{"no tag", "english", "", ""},
		{"tags that say nothing", "und", "", ""},
		{"older tags", "iw", "", "he"},
		{"Norwegian", "nn-NO", "", "nb"},
		{"figures and names alone", "fr", "KN-23, KN-24 / 2024", "fr"},
		{"a language that is not told here", "sq", "Ministrat u takuan të martën dhe ranë dakord për masa të reja kundër grupit", "sq"},
		{"a text in one for which English is declared", "en", "Các bộ trưởng đã gặp nhau hôm thứ Ba và đồng ý về các biện pháp mới chống lại nhóm vũ trang", ""},
		{"one in a script of many", "hi", "मंत्रियों ने मंगलवार को मुलाकात की और नए उपायों पर सहमति जताई", "hi"},
		{"not declared", "", "मंत्रियों ने मंगलवार को मुलाकात की और नए उपायों पर सहमति जताई", ""},
		{"wrongly declared", "en", "मंत्रियों ने मंगलवार को मुलाकात की और नए उपायों पर सहमति जताई", ""},
		{"Serbian in Latin letters", "sr-Latn", "Ministri koji su se sreli u utorak rekli su da neće prihvatiti nove isporuke i da će o tome", "sr"},
		{"two languages", "en", en + "\n\n" + fr, ""},
		{"a third in another", "en", en + en + "\n\n" + fr, ""},
		{"which ends the text", "", strings.Repeat(en, 30) + strings.Repeat(fr, 15), ""},
		{"two scripts", "uk", uk + ko, ""},
		{"Japanese without kana", "", "北朝鮮弾道弾発射", "ja"},
		{"or declared", "ja", "北朝鮮核実験", "ja"},
		{"names of others in a headline", "en", "Radosław Sikorski, Władysław Kosiniak-Kamysz: joint statement", ""},
		{"not declared", "", "Radosław Sikorski, Władysław Kosiniak-Kamysz: joint statement", ""},
		{"a foreign name", "", en + " The Société Générale de Missiles of Saint-Étienne was named.", "en"},
		{"hosts and marks", "", "<<< >>> https://www.mofa.go.jp/ {}", ""},
		{"bytes", "", "\xff\xfe\xff", ""},
	} {
		if got := Language(c.declared, c.text); got != c.want {
			t.Errorf("%s: Language(%q, %q) = %q, want %q", c.rule, c.declared, c.text, got, c.want)
		}
	}
}

func TestTheLanguageOfLabelledTextsIsTold(t *testing.T) {
	dir := os.Getenv("TOCSIN_CORPUS")
	if dir == "" {
		t.Skip("TOCSIN_CORPUS is unset: it names the directory with labelled.jsonl")
	}
	f, err := os.Open(filepath.Join(dir, "labelled.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	right, unknown, all := 0, 0, 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x struct{ ID, Lang, Title, Text string }
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		want := Language(x.Lang, "")
		text := x.Title + "\n" + x.Text
		all++
		switch got := Language("", text); got {
		case want:
			right++
		case "":
			unknown++
		default:
			t.Errorf("%s is taken for %s, and is %s: %.80q", x.ID, got, want, text)
		}
		if got := Language(x.Lang, text); got != want {
			t.Errorf("%s is declared as %s, rightly, and is taken for %q: %.80q", x.ID, x.Lang, got, text)
		}
		if got := Language("ko", text); got == "ko" && want != "ko" {
			t.Errorf("%s is declared as ko, wrongly, and that holds: %.80q", x.ID, text)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("of %d texts the language of %d is told without being declared, and of %d not", all, right, unknown)
	if 10*right < 9*all {
		t.Errorf("of %d texts the language of %d is told", all, right)
	}
}
