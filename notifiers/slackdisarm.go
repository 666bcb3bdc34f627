package notifiers

import (
	"strings"
	"unicode"
)

// joiner keeps Slack from making italics, pictures and quotes of foreign text, and
// loses no character of it: nobody sees it, and it is neither a space nor punctuation,
// one of which has to stand before the underscore of italics. In the names of
// pictures no such character stands, and a line that begins with it does not begin
// with ">".
const joiner = "\u2060"

// disarm is what has to stand before the first character of rest, after the
// character last, 0 for none; fresh says that the line is empty so far.
func disarm(last rune, fresh bool, rest string) string {
	switch {
	case rest[0] == '_' && !unicode.IsLetter(last) && !unicode.IsDigit(last):
		return joiner
	case rest[0] == '>' && fresh:
		return joiner
	}
	return ""
}

// splitEmoji is what has to stand after the first character of rest: none between the
// colon and the name of a picture, which can be of letters of any script. What ends
// the text may be followed by a colon of ours. No name begins with the "/" of an
// address.
func splitEmoji(rest string) string {
	if rest[0] != ':' {
		return ""
	}
	name := rest[1:]
	end := strings.IndexFunc(name, func(r rune) bool { return r == ':' || unicode.IsSpace(r) })
	if strings.HasPrefix(name, "/") || end == 0 || end > 0 && name[end] != ':' {
		return ""
	}
	return joiner
}
