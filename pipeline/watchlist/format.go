package watchlist

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// width is how long a line of Format is at most, if it can be broken. Comments
// are not broken.
const width = 100

// Format is the query in canonical form on as many lines as make it readable,
// with its comments, and one empty line where it has any between parts. It parses
// to an equal query, and formats to itself.
func (q *Query) Format() string {
	f := &formatter{}
	f.read(q.source)
	f.node(q.root, "", "", "")
	f.flush(len(q.source)+1, "")
	return strings.Join(f.lines, "\n") + "\n"
}

// A formatter lays out one query.
type formatter struct {
	comments []comment // that are not written yet
	blanks   []int     // where what stands after an empty line begins
	lines    []string
	closed   bool // nothing may be added to the last line
}

// A comment is one line of a query that says nothing to the matcher.
type comment struct {
	pos      int
	after    int // where the last token before it begins that is no closing parenthesis
	closing  int // closing parentheses between the two that begin lines
	text     string
	trailing bool // it ends a line that has more before it
	blank    bool // an empty line stands before it
}

// read finds the comments and the empty lines of a query.
func (f *formatter) read(query string) {
	l := &lexer{query: query}
	var c comment // as it would be here
	end := 0      // where the last token begins
	for {
		from := l.i
		at := until(query, from, func(r rune) bool { return r != ' ' && r != '\t' && r != '\n' && r != '\r' })
		if at == len(query) {
			break
		}
		lines := strings.Count(query[from:at], "\n")
		l.i = at
		l.next()
		c.pos, c.blank = at, lines > 1
		if inside, ok := said(query[at:l.i]); ok {
			next := until(query, l.i, func(r rune) bool { return r == '\n' || !unicode.IsSpace(r) })
			c.trailing = from > 0 && lines == 0 && (next == len(query) || query[next] == '\n')
			f.add(c, inside)
			continue
		}
		if lines > 1 {
			f.blanks = append(f.blanks, at)
		}
		switch {
		case l.last().kind != closeToken || paren(runeAt(query, at)) != closeToken:
			c.after, c.closing = at, 0
		case lines > 0:
			c.closing++
		}
		end = at
	}
	for i := range f.comments {
		if f.comments[i].pos > end {
			f.comments[i].after = len(query)
		}
	}
}

// said is what a comment says.
func said(text string) (string, bool) {
	if s, ok := strings.CutPrefix(text, "<<<"); ok {
		return strings.TrimSuffix(s, ">>>"), true
	}
	return strings.CutPrefix(text, "#")
}

// add adds the lines of a comment.
func (f *formatter) add(c comment, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "#")); line == "" {
			continue
		}
		c.text = "# " + line
		f.comments = append(f.comments, c)
		c.blank, c.trailing = false, false
	}
}

func (f *formatter) line(s string) {
	f.lines = append(f.lines, s)
	f.closed = false
}

// empty writes an empty line, unless there is one.
func (f *formatter) empty() {
	if len(f.lines) > 0 && f.lines[len(f.lines)-1] != "" {
		f.line("")
	}
}

// flush writes the comments that stand before pos.
func (f *formatter) flush(pos int, indent string) {
	for len(f.comments) > 0 && f.comments[0].pos < pos {
		c := f.comments[0]
		f.comments = f.comments[1:]
		if c.trailing && len(f.lines) > 0 && !f.closed {
			f.lines[len(f.lines)-1] += " " + c.text
			f.closed = true
			continue
		}
		if c.blank {
			f.empty()
		}
		f.line(indent + c.text)
		f.closed = true
	}
}

// close writes the comments behind the last part of n, and what closes n.
func (f *formatter) close(n *Node, indent, after string) {
	end := n.end()
	for len(f.comments) > 0 && f.comments[0].after <= end && f.comments[0].closing == 0 {
		f.flush(f.comments[0].pos+1, indent+"  ")
	}
	for i := range f.comments {
		if f.comments[i].after > end {
			break
		}
		f.comments[i].closing--
	}
	f.line(indent + ")" + after)
}

// commented reports whether a comment stands within n.
func (f *formatter) commented(n *Node) bool {
	return len(f.comments) > 0 && f.comments[0].pos < n.end()
}

// parted reports whether an empty line stands between two parts.
func (f *formatter) parted(a, b *Node) bool {
	from := a.end()
	for len(f.blanks) > 0 && f.blanks[0] <= from && from < b.Pos {
		f.blanks = f.blanks[1:]
	}
	return len(f.blanks) > 0 && f.blanks[0] > from && f.blanks[0] <= b.Pos
}

// end is where the last part of n begins.
func (n *Node) end() int {
	end := n.Pos
	for _, k := range n.Kids {
		if k != nil {
			end = max(end, k.end())
		}
	}
	return end
}

// simple reports whether n is never broken.
func (n *Node) simple() bool {
	return len(n.Kids) == 0 || n.Op == ScopeOf && len(n.Kids[0].Kids) == 0
}

// opening is the first part of n that is never broken, if nothing else is written
// on lines before it.
func (n *Node) opening() *Node {
	for !n.simple() {
		switch n.Op {
		case ScopeOf, AtLeast, Any:
			return nil
		}
		if n.wraps(n.Kids[0], 0) {
			return nil
		}
		n = n.Kids[0]
	}
	return n
}

// node writes n with something before and after it, on lines that begin with
// indent.
func (f *formatter) node(n *Node, indent, before, after string) {
	f.flush(n.Pos, indent)
	line := indent + before + n.String() + after
	if h := n.opening(); h == n || h != nil && before == "" && after == "" {
		f.flush(h.end(), indent)
	}
	if n.simple() || utf8.RuneCountInString(line) <= width && !f.commented(n) {
		f.line(line)
		return
	}
	switch n.Op {
	case ScopeOf, AtLeast, Any:
		f.call(n, indent, before, after)
	default:
		f.row(n, indent, before, after)
	}
}

func (f *formatter) call(n *Node, indent, before, after string) {
	var b strings.Builder
	n.call(&b)
	head, _, _ := strings.Cut(b.String(), "(")
	f.line(indent + before + head + "(")
	for i, k := range n.Kids {
		comma := ""
		if i+1 < len(n.Kids) {
			comma = ","
		}
		f.node(k, indent+"  ", "", comma)
	}
	f.close(n, indent, after)
}

// row writes the kids of an operator, short ones as many to a line as fit.
func (f *formatter) row(n *Node, indent, before, after string) {
	if before != "" || after != "" {
		f.line(indent + before + "(")
		f.row(n, indent+"  ", "", "")
		f.close(n, indent, after)
		return
	}
	op := strings.TrimSpace(n.between()) + " "
	for i, k := range n.Kids {
		lead := ""
		if i > 0 {
			lead = op
			if f.parted(n.Kids[i-1], k) && (len(f.comments) == 0 || f.comments[0].pos >= k.Pos) {
				f.empty()
				f.closed = true
			}
		}
		f.flush(k.Pos, indent)
		switch {
		case f.fill(n, k, i, indent, lead):
		case n.wraps(k, i):
			f.wrapped(k, indent, lead)
		default:
			f.node(k, indent, lead, "")
		}
	}
}

// fill puts a word on the line before it, if that is of the same row and has room.
func (f *formatter) fill(n, k *Node, i int, indent, lead string) bool {
	if n.Op != Or || len(k.Kids) > 0 {
		return false
	}
	text := lead + k.String()
	if i > 0 && len(n.Kids[i-1].Kids) == 0 && !f.closed {
		last := f.lines[len(f.lines)-1]
		if utf8.RuneCountInString(last)+1+utf8.RuneCountInString(text) <= width {
			f.lines[len(f.lines)-1] = last + " " + text
			return true
		}
	}
	f.line(indent + text)
	return true
}

func (f *formatter) wrapped(k *Node, indent, lead string) {
	line := indent + lead + "(" + k.String() + ")"
	if utf8.RuneCountInString(line) <= width && !f.commented(k) {
		f.line(line)
		return
	}
	f.line(indent + lead + "(")
	f.row(k, indent+"  ", "", "")
	f.close(k, indent, "")
}
