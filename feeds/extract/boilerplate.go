package extract

import "strings"

// Without is the page with blocks of its text moved to the rest: those that are
// known to stand on other pages too.
func (p Page) Without(blocks map[string]bool) Page {
	if len(blocks) == 0 {
		return p
	}
	var text, rest []string
	for block := range strings.SplitSeq(p.Text, "\n\n") {
		if blocks[block] {
			rest = append(rest, block)
		} else {
			text = append(text, block)
		}
	}
	if p.Rest != "" {
		rest = append(rest, p.Rest)
	}
	p.Text, p.Rest = strings.Join(text, "\n\n"), strings.Join(rest, "\n\n")
	return p
}
