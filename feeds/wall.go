package feeds

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"tocsin/feeds/fetch"
)

// asks are words of pages that ask a person to log in or to consent, as they
// stand in titles, headings and buttons, by language.
var asks = map[string][]string{
	"en": {"log in", "login", "sign in", "sign-in", "single sign-on", "before you continue", "cookie consent", "we value your privacy", "accept cookies", "accept all", "your consent"},
	"fr": {"se connecter", "connexion", "identifiez-vous", "accepter les cookies", "tout accepter", "votre consentement"},
	"de": {"anmelden", "anmeldung", "einloggen", "cookies akzeptieren", "alle akzeptieren", "ihre einwilligung", "zustimmung"},
	"es": {"iniciar sesión", "acceso de usuarios", "aceptar cookies", "aceptar todo", "su consentimiento"},
	"it": {"accedi", "accesso utente", "accetta i cookie", "accetta tutti", "il tuo consenso"},
	"pt": {"iniciar sessão", "entrar na conta", "aceitar cookies", "aceitar todos", "o seu consentimento"},
	"ru": {"войти", "вход в систему", "авторизация", "принять cookie", "принять все", "ваше согласие", "файлов cookie"},
	"uk": {"увійти", "вхід до системи", "авторизація", "прийняти всі", "ваша згода", "файли cookie"},
	"pl": {"zaloguj", "logowanie", "akceptuj", "zaakceptuj wszystkie", "twoja zgoda"},
	"ar": {"تسجيل الدخول", "قبول الكل", "ملفات تعريف الارتباط", "موافقتك"},
	"fa": {"ورود به سامانه", "ورود کاربران", "پذیرش همه", "کوکی"},
	"zh": {"登录", "登入", "接受所有", "接受全部", "同意并继续"},
	"ja": {"ログイン", "サインイン", "すべて同意", "同意して続", "クッキー"},
	"ko": {"로그인", "모두 동의", "모두 수락", "쿠키"},
}

// paths are parts of the paths and hosts of such pages.
var paths = []string{"login", "log-in", "signin", "sign-in", "sso", "auth", "oauth", "saml", "consent", "cookiewall", "cookie-wall", "gdpr", "captive"}

const (
	wallRead = 256 << 10 // bytes of a page that are looked at
	wallText = 1500      // bytes of text that a page which only asks for consent has at most
)

// wall tells pages that stand before what was asked for: that ask a person for
// something, or keep programs out. c is "" if r is none.
func wall(asked string, r fetch.Response) (c Condition, what string) {
	body := r.Body[:min(len(r.Body), wallRead)]
	text, _ := decode(body, charsetOf(body, r.Type), "", &notes{})
	low := bytes.ToLower(bytes.TrimLeft(text, " \t\r\n\ufeff"))
	if !beginsHTML(low) {
		return "", ""
	}
	title, shown := shownOn(low)
	bare := len(shown) < 2*wallText
	if bare && hasPassword(low) {
		return Login, "a page that asks for a password"
	}
	if at := ledTo(asked, r.URL); at != "" {
		return Login, "a page to log in or consent: redirected to " + at
	}
	for _, b := range bots {
		if bare && bytes.Contains(low, []byte(b.mark)) {
			return Blocked, "a page that keeps programs out (" + b.who + ")"
		}
	}
	for _, words := range asks {
		for _, w := range words {
			if strings.Contains(title, w) || len(shown) < wallText && strings.Contains(shown, w) {
				return Login, "a page to log in or consent: it says " + short(w)
			}
		}
	}
	return "", ""
}

// charsetOf is a Content-Type with the charset that an HTML page declares, where
// it has none itself.
func charsetOf(page []byte, contentType string) string {
	_, after, ok := bytes.Cut(bytes.ToLower(page[:min(len(page), 2048)]), []byte("charset="))
	if !ok || strings.Contains(contentType, "charset=") {
		return contentType
	}
	name := bytes.TrimLeft(after, `"'`)
	if i := bytes.IndexAny(name, "\"'/> ;"); i >= 0 && i < 40 {
		return "text/html; charset=" + string(name[:i])
	}
	return contentType
}

func beginsHTML(low []byte) bool {
	head := low[:min(len(low), 1024)]
	return bytes.HasPrefix(low, []byte("<!doctype html")) || bytes.Contains(head, []byte("<html")) || bytes.Contains(head, []byte("<head"))
}

// hasPassword reports whether a page has a field for a password.
func hasPassword(low []byte) bool {
	for _, mark := range []string{`type="password"`, `type='password'`, "type=password"} {
		if bytes.Contains(low, []byte(mark)) {
			return true
		}
	}
	return false
}

// ledTo is the address that a request ended at, if it is one to log in or
// consent at and the one that was asked for is not.
func ledTo(asked, at string) string {
	a, err1 := url.Parse(asked)
	u, err2 := url.Parse(at)
	if err1 != nil || err2 != nil || a.Host == u.Host && a.Path == u.Path {
		return ""
	}
	split := func(r rune) bool { return strings.ContainsRune("/._", r) }
	for _, part := range strings.FieldsFunc(strings.ToLower(u.Host+"/"+u.Path), split) {
		if slices.Contains(paths, part) {
			return short(u.Host + u.Path)
		}
	}
	return ""
}

// shownOn is the title of a page and the text that it shows, up to some bytes.
func shownOn(low []byte) (title, shown string) {
	s := newScanner(low, nil)
	var out strings.Builder
	hidden := ""
	for i := 0; out.Len() < 8*wallText; {
		t, ok := s.next(i, len(low))
		if !ok {
			if hidden == "" {
				out.Write(low[i:min(len(low), i+8*wallText)])
			}
			break
		}
		name := string(t.name)
		if hidden == "" {
			out.Write(low[i:t.start])
			out.WriteByte(' ')
		}
		i = t.end
		switch {
		case t.kind == startTag && name == "title" && title == "":
			if end := s.index(t.end, len(low), "<"); end > 0 {
				title = plain(string(low[t.end:end]))
			}
		case t.kind == startTag && hidden == "" && (name == "script" || name == "style" || name == "noscript"):
			hidden = name
		case t.kind == endTag && name == hidden:
			hidden = ""
		}
	}
	return title, strings.Join(strings.Fields(plain(out.String())), " ")
}
