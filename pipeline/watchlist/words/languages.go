package words

import (
	"slices"
	"strings"
	"unicode"
)

// A spoken language is told by letters and by its commonest words.
type spoken struct {
	tag     string
	letters string // that it has besides those common to its script
	words   string
}

// The languages of three scripts that several write. The common letters are those
// of ASCII, those that Russian, Ukrainian, Bulgarian and Serbian share, and none of
// Arabic, in which each language has its own forms.
const commonCyrillic = "абвгдежзклмнопрстуфхцчш"

var latin = []spoken{
	{"en", "", `the of and to a in for that s with on by from is are was were this these those which have has had it its be been as at not or will would an but we our they their he his she her you your
		all can more if when what there about also may must should do does no any other than into over under after before between against up out now then i it him them me my so only such said says some`},
	{"fr", "àâæçéèêëîïôœùûü", `le la les l des du de d et en un une dans pour par sur que qui qu au aux est ce c cet cette ces avec sont ont été a à ne pas n plus ou se s son sa ses leur leurs il ils elle nous vous
		comme mais être avoir sans sous entre vers aussi afin lors selon dont même peut doit si tous contre après avant chez depuis très`},
	{"de", "äöüß", `der die das und den dem des ein eine einer einem einen eines von zu zum zur mit auf für im in ist sind war sich nicht auch wird werden wurde nach über bei als hat haben an aus es er sie wir ihr
		dass daß oder aber nur noch wenn durch um vor kann keine kein diese dieser dieses sein seine unter gegen zwischen am so wie ob soll muss müssen`},
	{"es", "áéíñóúü", `el la los las de del y e o u en un una unos unas que por para con se su sus al es son como más ha han fue sobre este esta estos estas lo no si sí pero ser está están entre sin desde hasta también
		cuando donde muy ya todo todos puede debe según contra ante tras cada otro otra no le les`},
	{"it", "àèéìíîòóùú", `il lo la gli le i di del della dei delle dello degli da dal dalla e ed in nel nella un una uno che per con si al alla ai alle è sono non ha hanno come più questo questa su sul sulla stato essere
		anche o ma se dove tra fra contro dopo prima deve può cui ogni loro suo sua l d c`},
	{"pl", "ąćęłńóśźż", `w z we ze na i do się że nie jest są oraz dla przez o od po za jako tym tego tej ten ta te to które który która lub a ale czy jak był była było być może ich jego jej przy pod przed między także
		już tylko gdy aby można`},
	{"tr", "çğıöşüâîû", `ve bir bu da de için ile olarak olan çok daha gibi kadar sonra önce ancak her ya değil üzere ise tarafından var yok olduğu olduğunu oldu olan olması etti edildi edilen en o ne ki mi mı veya
		bütün tüm karşı arasında içinde göre`},
	{"pt", "áâãàçéêíóôõúü", `o a os as de do da dos das e em no na nos nas um uma que por para com se ao aos à às não é são foi mais como pelo pela pelos pelas sua seu seus suas ou mas ser está este esta isso também
		entre sem sobre até já quando pode deve foram há`},
	{"nl", "éëïóöüè", `de het een en van in op met voor dat die is zijn was te aan door als bij ook niet naar wordt worden uit om maar over tot heeft hebben deze dit er of kan geen meer zal tussen tegen onder na
		hun ze wij u`},
	{"sv", "åäöé", `och att i det som en ett på är av för med till den de har inte om var från vid kan ska skulle ej eller men så vi du han hon också när under efter mellan mot utan denna detta`},
	{"da", "æøåé", `og at i det som en et på er af for med til den de har ikke om var fra ved kan skal blev eller men så vi du han hun også når under efter mellem mod uden denne dette`},
	{"nb", "æøåéò", `og å i det som en et på er av for med til den de har ikke om var fra ved kan skal ble eller men så vi du han hun også når under etter mellom mot uten denne dette`},
	{"fi", "äöå", `ja on ei että se oli hän joka jotka myös mutta kun sekä ovat tai ole voi tämä tämän niin kuin jos vain mukaan ennen jälkeen sen hänen`},
	{"ro", "ăâîșşțţ", `și şi în la de cu pe din pentru care este sunt un o al ai ale a fost nu că prin mai sau dar după ca să se lui cel cea fi va vor între`},
	{"hu", "áéíóöőúüű", `a az és hogy nem is egy van meg volt vagy de ezt azt mint csak ha már még ki be el fel kell lehet ez minden között után lesz`},
	{"cs", "áčďéěíňóřšťúůýž", `a v ve na se je že s z ze do o k ke pro jako by byl byla bylo být jsou které který která není podle také nebo ale od po při za mezi už jen aby tak`},
	{"sk", "áäčďéíĺľňóôŕšťúýž", `a v vo na sa je že s so z zo do o k ku pre ako by bol bola bolo byť sú ktoré ktorý ktorá nie podľa tiež alebo ale od po pri za medzi už len aby tak`},
	{"hr", "čćđšž", `i u na je se za da su od s sa o kao koji koja koje ne nije ili ali po iz do bi će može biti nakon između protiv ako te`},
	{"sl", "čšž", `in v na je se za da so od s z o kot ki ne ni ali po iz do bi bo lahko biti pri tudi pa če med proti ter`},
	{"ca", "àçèéíïòóúü", `el la els les de del dels i o en un una que per amb no és són com més ha han va aquest aquesta es se al als a ser està entre sense des fins també quan però d l s n`},
	{"gl", "áéíñóúü", `o a os as de do da dos das e en no na un unha que por para con se ao non é son foi máis como pola polo súa seu ou mais ser está este esta tamén entre sen sobre ata xa cando pode`},
	{"id", "é", `yang dan di ke dari untuk dengan ini itu pada tidak adalah dalam akan oleh atau juga sebagai telah dapat ada lebih bahwa tersebut mereka anda`},
	{"af", "êëïôû", `die het n en van in op met vir dat is te aan deur as by ook nie na word uit om maar oor tot hierdie daar of kan geen meer sal teen onder hulle hy`},
	{"et", "äöõüšž", `ja on ei et see oli ta kes mis ka aga kui ning või pole selle nii`},
	{"eu", "ñ", `eta da ez du bat dira hau hori ere edo baina izan den dute dela duen`},
}

var cyrillic = []spoken{
	{"ru", "иёйщъыьэюя", `и в во на с со не что по к ко из за для о об от до как это его её их он она они мы при а но или то же бы был была было были быть так также который которые которых этого если только уже нет нас вас чтобы после между при против более может должны`},
	{"uk", "иґєіїйщьюя", `і й та в у на з із зі не що по до від за для про як це його її їх він вона вони ми при а але або то же би був була було були бути так також який які яких цього якщо тільки вже немає нас вас щоб після між проти більше може повинні`},
	{"be", "ёіўйыьэюя", `і й ў у на з са не што па да ад за для аб як гэта яго яе іх ён яна яны мы пры а але або быў была было былі так таксама які якія`},
	{"bg", "ийщъьюя", `и в във на с със не че по към от за до как това го му ги той тя те ние при а но или да се е са беше бяха ще така също който която което които ако само вече няма може трябва от след между при бъде тази този това`},
	{"sr", "иђјљњћџ", `и у на са с не да по из за од до о као је су се који која које али или би ће није након између то`},
	{"mk", "иѓѕјљњќџ", `и во на со не дека по од за до како тоа го му ги тој таа тие ние при а но или да се е беше ќе исто кој кои`},
}

var arabicLanguages = []spoken{
	{"ar", "ةىيكأإؤئآ", `في من على إلى الى عن مع أن ان إن التي الذي هذا هذه ذلك كان كانت قد لا ما لم بين بعد قبل كما أو ثم هو هي كل أي غير حول ضد`},
	{"fa", "پچژگکیئأآؤۀ", `در از به که این را با است برای آن های می نمی شد شود شده یک تا و بر هر نیز یا ها اند کرد کرده بود باید خود آنها علیه`},
	{"ur", "پچژگکیٹڈڑےہھںۃئأآؤ", `کے کی کا میں ہے اور سے کو پر نے کہ یہ اس وہ ہیں تھا کر گیا بھی نہیں جو ایک لیے`},
}

// A loner is a script that one language of interest writes.
type loner struct {
	script *unicode.RangeTable
	tag    string
}

var alone = []loner{
	{unicode.Hangul, "ko"},
	{unicode.Greek, "el"},
	{unicode.Hebrew, "he"},
	{unicode.Thai, "th"},
	{unicode.Lao, "lo"},
	{unicode.Khmer, "km"},
	{unicode.Myanmar, "my"},
	{unicode.Georgian, "ka"},
	{unicode.Armenian, "hy"},
}

// Letters of Han that one of Japan and China alone writes so.
const (
	japaneseHan = "弾発対応経済関圏辺変駅広実戦検権労働図団売読県続総様込畑黒渋"
	chineseHan  = "们这说时对动过还进发关问间开东车长见认议话语请谁谈让钱风飞导弹实运团应经务边习总战术际严谴责违"
)

var spokenHere = slices.Concat(latin, cyrillic, arabicLanguages)

// rangeOf are the languages of a script, as bits: the bit n is that of
// spokenHere[n].
var rangeOf = [3]uint64{
	1<<len(latin) - 1,
	(1<<len(cyrillic) - 1) << len(latin),
	(1<<len(arabicLanguages) - 1) << (len(latin) + len(cyrillic)),
}

// functionWords are the commonest words, and the languages that have each as bits.
var functionWords = func() map[string]uint64 {
	out := map[string]uint64{}
	for n, l := range spokenHere {
		for w := range strings.FieldsSeq(l.words) {
			out[w] |= 1 << n
		}
	}
	return out
}()

// letterOf are the letters that not all languages of a script have, and those that
// have each.
var letterOf = func() map[rune]uint64 {
	out := map[rune]uint64{}
	for n, l := range spokenHere {
		for _, r := range l.letters {
			out[r] |= 1 << n
		}
	}
	return out
}()

var foldedFunctionWords = func() map[string]bool {
	out := map[string]bool{}
	for w := range functionWords {
		out[Fold(w)] = true
	}
	return out
}()

// Function reports whether a folded word is one of the commonest of a language:
// alone it says nothing of what a text is about.
func Function(form string) bool { return foldedFunctionWords[form] }
