package watchlist

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// String is a part of a query in canonical form, on one line.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b)
	return b.String()
}

func (n *Node) print(b *strings.Builder) {
	switch n.Op {
	case Term:
		b.WriteString(n.Mark)
		b.WriteString(n.quote())
	case Regex:
		b.WriteString("/" + strings.ReplaceAll(n.Text, "/", `\/`) + "/")
	case Value:
		b.WriteString(n.Field + ":" + n.quote())
	case ListRef:
		b.WriteString("@" + n.Text)
		if n.Lang != "" {
			b.WriteString("." + n.Lang)
		}
	case ScopeOf, AtLeast, Any:
		n.call(b)
	default:
		for i, k := range n.Kids {
			if i > 0 {
				b.WriteString(n.between())
			}
			n.kid(b, k, i)
		}
	}
}

// quote is the text of a term or value with quotes if it needs them.
func (n *Node) quote() string {
	if n.Quoted {
		return `"` + n.Text + `"`
	}
	return n.Text
}

// call prints what has its kids in parentheses; a field has none around a word.
func (n *Node) call(b *strings.Builder) {
	switch {
	case n.Op == Any:
		fmt.Fprintf(b, "ANY/%d(", n.N)
	case n.Op == AtLeast:
		fmt.Fprintf(b, "ATLEAST/%d(", n.N)
	case n.Field == "":
		fmt.Fprintf(b, "FIRST/%d(", n.N)
	default:
		b.WriteString(n.Field + ":")
		switch n.Kids[0].Op {
		case Term, Regex, ListRef:
			n.Kids[0].print(b)
			return
		}
		b.WriteByte('(')
	}
	for i, k := range n.Kids {
		if i > 0 {
			b.WriteString(", ")
		}
		k.print(b)
	}
	b.WriteByte(')')
}

// between is the operator between the kids of n.
func (n *Node) between() string {
	switch n.Op {
	case And:
		return " AND "
	case Or:
		return " OR "
	case Not:
		return " NOT "
	}
	return " " + operator(n.Op, n.N) + " "
}

// kid prints a kid among others, in parentheses where it needs them.
func (n *Node) kid(b *strings.Builder, k *Node, i int) {
	if !n.wraps(k, i) {
		k.print(b)
		return
	}
	b.WriteByte('(')
	k.print(b)
	b.WriteByte(')')
}

// wraps reports whether the kid k of n stands in parentheses.
func (n *Node) wraps(k *Node, i int) bool {
	switch k.Op {
	case Or, Not:
		return true
	case And:
		return n.Op != Not || i > 0
	case Near, Before, SameSentence, SameParagraph, NotNear:
		switch n.Op {
		case And, Or, Not:
			return false
		}
		return i > 0 || n.Op == NotNear || k.Op != n.Op || k.N != n.N
	}
	return false
}

// width is how long a line of Format is at most, if it can be broken.
const width = 100

// Format is the query in canonical form on as many lines as make it readable,
// with its comments. It parses to an equal query, and formats to itself.
func (q *Query) Format() string {
	f := formatter{comments: comments(q.source)}
	f.node(q.root, "", "", "")
	f.flush(len(q.source)+1, "")
	return strings.Join(f.lines, "\n") + "\n"
}

// A comment is one line of a query that says nothing to the matcher.
type comment struct {
	pos  int
	text string
}

func comments(query string) []comment {
	var out []comment
	l := &lexer{query: query}
	for l.i < len(query) {
		at := until(query, l.i, func(r rune) bool { return r != ' ' && r != '\t' && r != '\n' && r != '\r' })
		l.i = at
		if at == len(query) {
			break
		}
		l.next()
		if l.i > len(query) {
			break
		}
		text := query[at:l.i]
		if after, ok := strings.CutPrefix(text, "<<<"); ok {
			text = strings.TrimSuffix(after, ">>>")
		} else if text, ok = strings.CutPrefix(text, "#"); !ok {
			continue
		}
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, comment{at, "# " + strings.TrimSpace(strings.TrimLeft(line, "# "))})
			}
		}
	}
	return out
}

type formatter struct {
	comments []comment
	lines    []string
}

// flush writes the comments that stand before pos.
func (f *formatter) flush(pos int, indent string) {
	for len(f.comments) > 0 && f.comments[0].pos < pos {
		f.lines = append(f.lines, indent+f.comments[0].text)
		f.comments = f.comments[1:]
	}
}

// commented reports whether a comment stands within n.
func (f *formatter) commented(n *Node) bool {
	return len(f.comments) > 0 && f.comments[0].pos < n.end()
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

// node writes n with something before and after it, on lines that begin with
// indent.
func (f *formatter) node(n *Node, indent, before, after string) {
	f.flush(n.Pos, indent)
	line := indent + before + n.String() + after
	simple := len(n.Kids) == 0 || n.Op == ScopeOf && len(n.Kids[0].Kids) == 0
	if simple {
		f.flush(n.end(), indent)
	}
	if simple || utf8.RuneCountInString(line) <= width && !f.commented(n) {
		f.lines = append(f.lines, line)
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
	f.lines = append(f.lines, indent+before+head+"(")
	for i, k := range n.Kids {
		comma := ""
		if i+1 < len(n.Kids) {
			comma = ","
		}
		f.node(k, indent+"  ", "", comma)
	}
	f.lines = append(f.lines, indent+")"+after)
}

// row writes the kids of an operator, short ones as many to a line as fit.
func (f *formatter) row(n *Node, indent, before, after string) {
	if before != "" || after != "" {
		f.lines = append(f.lines, indent+before+"(")
		f.row(n, indent+"  ", "", "")
		f.lines = append(f.lines, indent+")"+after)
		return
	}
	op := strings.TrimSpace(n.between()) + " "
	for i, k := range n.Kids {
		f.flush(k.Pos, indent)
		lead := ""
		if i > 0 {
			lead = op
		}
		if f.fill(n, k, i, indent, lead) {
			continue
		}
		if n.wraps(k, i) {
			f.wrapped(k, indent, lead)
			continue
		}
		f.node(k, indent, lead, "")
	}
}

// fill puts a word on the line before it, if that is of the same row and has room.
func (f *formatter) fill(n, k *Node, i int, indent, lead string) bool {
	if n.Op != Or || len(k.Kids) > 0 {
		return false
	}
	text := lead + k.String()
	if i > 0 && len(n.Kids[i-1].Kids) == 0 {
		last := f.lines[len(f.lines)-1]
		if !strings.HasPrefix(strings.TrimSpace(last), "#") && utf8.RuneCountInString(last)+1+utf8.RuneCountInString(text) <= width {
			f.lines[len(f.lines)-1] = last + " " + text
			return true
		}
	}
	f.lines = append(f.lines, indent+text)
	return true
}

func (f *formatter) wrapped(k *Node, indent, lead string) {
	line := indent + lead + "(" + k.String() + ")"
	if utf8.RuneCountInString(line) <= width && !f.commented(k) {
		f.lines = append(f.lines, line)
		return
	}
	f.lines = append(f.lines, indent+lead+"(")
	f.row(k, indent+"  ", "", "")
	f.lines = append(f.lines, indent+")")
}
