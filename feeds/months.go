package feeds

import (
	"strings"
	"unicode/utf8"
)

// monthNames are, for each language, how the names of the twelve months begin,
// so that inflected and abbreviated names are known as well. Several beginnings
// of one month are separated by a bar.
var monthNames = map[string]string{
	"en": "jan feb mar apr may jun jul aug sep oct nov dec",
	"de": "jan|jän feb mär|mrz|maerz apr mai jun jul aug sep okt nov dez",
	"fr": "janv|jan fév|fev mars|mar avr mai juin juil|jul aoû|aou sept|sep oct nov déc|dec",
	"es": "ene feb mar abr may jun jul ago sep|set oct nov dic",
	"it": "gen feb mar apr mag giu lug ago set ott nov dic",
	"pt": "jan fev mar abr mai jun jul ago set out nov dez",
	"nl": "jan feb maart|mrt|maa apr mei jun jul aug sep okt nov dec",
	"sv": "jan feb mars apr maj jun jul aug sep okt nov dec",
	"nb": "jan feb mars apr mai jun jul aug sep okt nov des",
	"is": "jan feb mar apr maí jún júl ágú sep okt nóv des",
	"fi": "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
	"et": "jaan veeb märts apr mai juun juul aug sept okt nov dets",
	"lv": "jan feb mar apr maij jūn jūl aug sep okt nov dec",
	"lt": "saus vas kov bal geg birž liep rugpj rugs spal lapk gruod",
	"pl": "sty lut mar kwi maj|maja cze lip sie wrz paź|paz lis gru",
	"cs": "led úno bře dub kvě červen|červn|čvn|červ červenec|července|čvc srp zář říj lis pro",
	"sk": "jan feb mar apr máj jún júl aug sep okt nov dec",
	"sl": "jan feb mar apr maj jun jul avg sep okt nov dec",
	"hr": "sij velj ožu tra svi lip srp kol ruj lis stu pro",
	"bs": "jan feb mart apr maj jun jul avg|aug sep okt nov dec",
	"hu": "jan feb már apr|ápr máj jún júl aug szept okt nov dec",
	"ro": "ian feb mar apr mai iun iul aug sep oct noi|nov dec",
	"sq": "jan shk mar pri maj qer kor gusht|gus shta|sht tet nën|nen dhj",
	"tr": "oca şub|sub mar nis may haz tem ağu|agu eyl eki kas ara",
	"el": "ιαν φεβ μαρ|μάρ απρ μαΐ|μάι|μαι ιουν|ιούν ιουλ|ιούλ αυγ|αύγ σεπ οκτ νοε|νοέ δεκ",
	"ru": "янв фев мар апр май|мая июн июл авг сен окт ноя дек",
	"uk": "січ лют бер кві тра чер лип сер вер жов лис гру",
	"be": "сту лют сак кра май|тра чэр ліп жні вер кас ліс сне",
	"bg": "яну|ян фев мар апр май юни юли авг сеп окт ное дек",
	"sr": "јан феб мар апр мај јун јул авг сеп окт нов дец",
	"mk": "јан фев мар апр мај јун јул авг сеп окт ное дек",
	"ka": "იან თებ მარ აპრ მაი ივნ ივლ აგვ სექ ოქტ ნოე დეკ",
	"hy": "հուն փետ մար ապր մայ հունիս հուլ օգո սեպ հոկ նոյ դեկ",
	"he": "ינו|בינו פבר|בפבר מרץ|מרס|במרץ אפר|באפר מאי|במאי יונ|ביונ יול|ביול אוג|באוג ספט|בספט אוק|באוק נוב|בנוב דצמ|בדצמ",
	"ar": "يناير|جانفي فبراير|فيفري|شباط مارس|آذار أبريل|ابريل|إبريل|أفريل|نيسان مايو|ماي|أيار يونيو|يونيه|جوان|حزيران يوليو|يوليه|جويلية|تموز أغسطس|اغسطس|أوت|آب سبتمبر|أيلول أكتوبر|اكتوبر نوفمبر ديسمبر|دجنبر",
	"fa": "ژانویه فوریه مارس آوریل مه|می ژوئن ژوئیه|جولای اوت|آگوست سپتامبر اکتبر نوامبر دسامبر",
	"th": "ม.ค|มกรา ก.พ|กุมภา มี.ค|มีนา เม.ย|เมษา พ.ค|พฤษภา มิ.ย|มิถุนา ก.ค|กรกฎา ส.ค|สิงหา ก.ย|กันยา ต.ค|ตุลา พ.ย|พฤศจิกา ธ.ค|ธันวา",
	"id": "jan feb mar apr mei jun jul agu|ags sep okt nov des",
	"mt": "jan fra mar apr mej ġun lul aww set ott nov diċ",
	"ga": "ean fea már aib bea meith iúil lún mfó|meán dfó|deir sam nol",
	"ca": "gen feb març|mar abr mai jun jul ago set oct nov des",
}

// jalaliNames are the months of the Iranian solar calendar.
const jalaliNames = "فروردین|فروردين اردیبهشت|ارديبهشت خرداد تیر|تير مرداد|امرداد شهریور|شهريور مهر آبان|ابان آذر|اذر دی|دي بهمن اسفند"

// levantMonths makes one word of the names that are two.
var levantMonths = strings.NewReplacer("كانون الثاني", "يناير", "كانون الأول", "ديسمبر", "تشرين الأول", "أكتوبر", "تشرين الثاني", "نوفمبر")

// A named month is what the beginning of a name means in some language.
type named struct {
	lang   string
	month  int
	jalali bool
}

var months = indexMonths()

func indexMonths() map[string][]named {
	index := map[string][]named{}
	enter := func(lang, names string, jalali bool) {
		for i, spellings := range strings.Fields(names) {
			for s := range strings.SplitSeq(spellings, "|") {
				index[s] = append(index[s], named{lang, i + 1, jalali})
			}
		}
	}
	for lang, names := range monthNames {
		enter(lang, names, false)
	}
	enter("fa", jalaliNames, true)
	return index
}

// monthOf is the month whose name begins as the word does, by the longest
// beginning that is known. Where languages differ, lang decides; ok is false if
// it does not.
func monthOf(word, lang string) (month int, jalali, ok bool) {
	end := min(len(word), 24)
	for ; end >= 2; end-- {
		if end < len(word) && !utf8.RuneStart(word[end]) {
			continue
		}
		meanings := months[word[:end]]
		if len(meanings) == 0 || utf8.RuneCountInString(word[:end]) < 3 && end < len(word) {
			continue
		}
		found := meanings[0]
		agreed := true
		for _, m := range meanings {
			if m.lang == lang {
				return m.month, m.jalali, true
			}
			agreed = agreed && m.month == found.month && m.jalali == found.jalali
		}
		return found.month, found.jalali, agreed
	}
	return 0, false, false
}
