package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A block is what a reader takes for one paragraph, heading or line.
type block struct {
	text   string // one line
	linked int    // bytes of text that are links
	joined bool   // a line of the same paragraph as the block before
}

// unseen are elements whose text no reader sees.
var unseen = set(atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Math, atom.Head, atom.Iframe,
	atom.Object, atom.Select, atom.Textarea, atom.Button, atom.Canvas, atom.Audio, atom.Video)

// inline are elements that stand within a line.
var inline = set(atom.A, atom.Abbr, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Cite, atom.Code, atom.Data, atom.Del,
	atom.Dfn, atom.Em, atom.Font, atom.I, atom.Img, atom.Input, atom.Ins, atom.Kbd, atom.Label, atom.Mark, atom.Q, atom.S,
	atom.Samp, atom.Small, atom.Span, atom.Strike, atom.Strong, atom.Sub, atom.Sup, atom.Time, atom.Tt, atom.U, atom.Var, atom.Wbr)

func set(as ...atom.Atom) map[atom.Atom]bool {
	m := make(map[atom.Atom]bool, len(as))
	for _, a := range as {
		m[a] = true
	}
	return m
}

// A writer gathers blocks.
type writer struct {
	out    []block
	line   strings.Builder
	linked int
	inLink int
	breaks int // line breaks since the last text
}

// blocks are the texts that stand under n. The depth of a parsed page is bounded.
func blocks(n *html.Node) []block {
	var w writer
	w.walk(n)
	w.end(false)
	return w.out
}

func (w *writer) walk(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		name := atom.Lookup([]byte(c.Data)) // made elements have no DataAtom
		switch {
		case c.Type == html.TextNode:
			w.write(c.Data)
		case c.Type != html.ElementNode || unseen[name] || hidden(c):
		case name == atom.Br:
			w.breaks++
			w.end(w.breaks == 1)
		case name == atom.A:
			w.inLink++
			w.walk(c)
			w.inLink--
		case inline[name]:
			w.walk(c)
		default:
			w.end(false)
			w.walk(c)
			w.end(false)
		}
	}
}

func hidden(n *html.Node) bool {
	for _, a := range n.Attr {
		switch a.Key {
		case "hidden":
			return true
		case "aria-hidden":
			return a.Val == "true"
		case "style":
			s := strings.ReplaceAll(strings.ToLower(a.Val), " ", "")
			return strings.Contains(s, "display:none") || strings.Contains(s, "visibility:hidden")
		}
	}
	return false
}

func (w *writer) write(s string) {
	if strings.TrimSpace(s) != "" {
		w.breaks = 0
	}
	before := w.line.Len()
	w.line.WriteString(s)
	if w.inLink > 0 {
		w.linked += w.line.Len() - before
	}
}

// end ends the block that is being written. After one line break the next block
// is a line of the same paragraph.
func (w *writer) end(sameParagraph bool) {
	text := oneLine(w.line.String())
	w.line.Reset()
	if text != "" {
		w.out = append(w.out, block{text: text, linked: min(w.linked, len(text))})
	}
	w.linked = 0
	if len(w.out) > 0 {
		w.lines(sameParagraph)
	}
}

// lines notes whether what follows goes on in the same paragraph.
func (w *writer) lines(same bool) { w.out[len(w.out)-1].joined = same }

// joined is blocks as text.
func joined(bs []block) string {
	var b strings.Builder
	for i, x := range bs {
		switch {
		case i == 0:
		case bs[i-1].joined:
			b.WriteByte('\n')
		default:
			b.WriteString("\n\n")
		}
		b.WriteString(x.text)
	}
	return b.String()
}

// flat is the text of a page that cannot be parsed, element by element.
func flat(page string) []block {
	var w writer
	skip := atom.Atom(0)
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			w.end(false)
			return w.out
		case html.TextToken:
			if skip == 0 {
				w.write(string(z.Text()))
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			if unseen[a] && skip == 0 {
				skip = a
			}
			if !inline[a] {
				w.end(false)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			if a == skip {
				skip = 0
			}
			if !inline[a] {
				w.end(false)
			}
		}
	}
}

// without is all blocks but those of main, each as often as it is there more.
func without(all, main []block) []block {
	n := map[string]int{}
	for _, b := range main {
		n[b.text]++
	}
	var out []block
	for _, b := range all {
		if n[b.text] > 0 {
			n[b.text]--
			continue
		}
		out = append(out, b)
	}
	return out
}

// withoutTitle leaves out a first block that is the page's title, which the item
// has already.
func withoutTitle(bs []block, title string) []block {
	if len(bs) > 1 && len(bs[0].text) > 8 && strings.HasPrefix(title, bs[0].text) {
		return bs[1:]
	}
	return bs
}

// ownText is how many runes a block without links has that is a statement's, and
// no teaser.
const ownText = 250

// withoutRelated leaves out what stands under a heading of related articles, to
// the end or to where the statement goes on, and lines that point to one.
func withoutRelated(bs []block) []block {
	var out []block
	cutting := false
	for i, b := range bs {
		heading, pointer := related(b.text)
		switch {
		case i > 0 && heading:
			cutting = true
		case cutting && 4*b.linked < len(b.text) && utf8.RuneCountInString(b.text) >= ownText:
			cutting = false
		}
		if !cutting && (!pointer || b.linked == 0) {
			out = append(out, b)
		}
	}
	if len(out) == 0 {
		return bs
	}
	return out
}

// related reports whether a block is a heading of related articles, or a line
// that begins as one and names an article.
func related(s string) (heading, pointer bool) {
	s = strings.ToLower(strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }))
	if s == "" {
		return false, false
	}
	for _, h := range headings {
		rest, ok := strings.CutPrefix(s, h)
		if !ok {
			continue
		}
		next, _ := utf8.DecodeRuneInString(rest)
		switch {
		case rest == "":
			return true, false
		case !unicode.IsLetter(next):
			pointer = true
		}
	}
	return false, pointer
}

// headings stand over what a page shows besides its own text, in lower case.
var headings = lines(`
related articles
related stories
related content
related news
related posts
related links
related topics
related items
related documents
related
see also
read also
read more
read next
more on this topic
more on this story
more from
more news
more stories
latest news
latest stories
most read
most popular
popular articles
trending now
you may also like
you might also like
recommended for you
recommended reading
recommended articles
other news
similar articles
don't miss
articles liés
articles associés
articles similaires
articles connexes
sur le même sujet
sur le même thème
à lire aussi
à lire également
lire aussi
lire également
voir aussi
à voir aussi
dans la même rubrique
dernières actualités
les plus lus
pour aller plus loin
mehr zum thema
mehr zu diesem thema
zum thema
verwandte artikel
verwandte themen
ähnliche artikel
ähnliche beiträge
weitere artikel
weitere meldungen
weitere nachrichten
weitere informationen
lesen sie auch
lesen sie mehr
auch interessant
das könnte sie auch interessieren
meistgelesen
artículos relacionados
noticias relacionadas
contenido relacionado
contenidos relacionados
temas relacionados
lea también
lee también
le puede interesar
también te puede interesar
te puede interesar
más noticias
últimas noticias
lo más leído
articoli correlati
notizie correlate
contenuti correlati
leggi anche
potrebbe interessarti
ti potrebbe interessare
altre notizie
ultime notizie
i più letti
powiązane artykuły
powiązane treści
podobne artykuły
podobne wiadomości
czytaj także
czytaj również
czytaj też
zobacz także
zobacz również
zobacz też
przeczytaj także
najnowsze wiadomości
najczęściej czytane
polecane
читайте также
читать также
по теме
материалы по теме
новости по теме
похожие статьи
похожие новости
смотрите также
другие новости
другие материалы
ещё по теме
еще по теме
последние новости
рекомендуем
читайте також
читати також
за темою
матеріали за темою
новини за темою
схожі новини
схожі статті
дивіться також
інші новини
останні новини
рекомендуємо
관련기사
관련 기사
관련뉴스
관련 뉴스
관련 글
함께 읽어보면
함께 보면 좋은
많이 본 뉴스
많이 본 기사
추천 기사
추천기사
다른 기사
関連記事
関連ニュース
関連リンク
関連情報
関連項目
あわせて読みたい
合わせて読みたい
こちらもおすすめ
おすすめ記事
人気記事
最新記事
相关阅读
相关新闻
相关文章
相关链接
相关报道
延伸阅读
推荐阅读
热门文章
更多新闻
相關閱讀
相關新聞
相關文章
相關連結
相關報導
延伸閱讀
推薦閱讀
熱門文章
مقالات ذات صلة
أخبار ذات صلة
مواضيع ذات صلة
موضوعات ذات صلة
محتوى ذو صلة
ذات صلة
اقرأ أيضا
اقرأ أيضًا
اقرأ أيضاً
إقرأ أيضا
قد يعجبك أيضا
الأكثر قراءة
مطالب مرتبط
اخبار مرتبط
خبرهای مرتبط
مطالب مشابه
بیشتر بخوانید
همچنین بخوانید
پربازدیدترین
ilgili haberler
ilgili içerikler
ilgili yazılar
ilgili konular
benzer haberler
benzer yazılar
diğer haberler
bunlar da ilginizi çekebilir
ayrıca okuyun
son haberler
en çok okunanlar
`)

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
