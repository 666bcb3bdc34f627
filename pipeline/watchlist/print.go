package watchlist

import (
	"fmt"
	"strings"
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
