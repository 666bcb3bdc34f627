package feeds

import (
	"regexp"
	"time"
)

// aDate is the shapes of a date within a text, with the time of day behind it.
var aDate = regexp.MustCompile(`(?:` +
	`\d{4}-\d{1,2}-\d{1,2}T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?` +
	`|(?:令和|平成|民國|中華民國)?\s?\d{1,4}\s?[年년]\s?\d{1,2}\s?[月월]\s?\d{1,2}\s?[日일]?` +
	`|\d{1,4}\s?[./-]\s?\d{1,2}\s?[./-]\s?\d{1,4}` +
	`|\d{1,2}(?:st|nd|rd|th|er|re|ve|[.ºª°]|-?(?:го|е))?[\s./-]+(?:(?:de|of|da|do)\s+|d['’])?[\p{L}\p{M}]{3,14}[.,]?[\s./-]*(?:(?:de|del|do)\s+)?\d{4}` +
	`|[\p{L}\p{M}]{3,14}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}` +
	`|\d{4}[.,]?\s+(?:m\.\s+)?[\p{L}\p{M}]{3,14}\.?\s+\d{1,2}\.?` +
	`|\d{4}[.,]?\s+(?:gada\s+)?\d{1,2}\.?\s+[\p{L}\p{M}]{3,14}` +
	`)` +
	`(?:[,\s|–-]{0,4}(?:at\s+|kl\.?\s*|um\s+|à\s+|в\s+|о\s+)?\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp]\.?[Mm]\b\.?|Z|\s?[+-]\d{2}:?\d{2}|\s(?:GMT|UTC))?)?`)

// within finds the first date in a text that says more, and how it is written
// there.
func (c *calendar) within(s string) (t time.Time, at string) {
	s = arabicDigits(cutText(s, maxRow))
	digits := 0
	for i := range len(s) {
		if digitAt(s, i) {
			digits++
		}
	}
	if digits < 3 {
		return time.Time{}, ""
	}
	for _, m := range aDate.FindAllStringIndex(s, 6) {
		if m[0] > 0 && digitAt(s, m[0]-1) || digitAt(s, m[1]) {
			continue
		}
		if t, problem := c.parse(s[m[0]:m[1]]); problem == "" {
			return t, s[m[0]:m[1]]
		}
	}
	return time.Time{}, ""
}
