package engine

import (
	"strings"

	"tocsin/pipeline/watchlist"
)

// holds runs a node.
func (m *Matcher) holds(code []uint32) bool {
	switch w := code[0]; opOf(w) {
	case opSymbol:
		return m.present.has(argOf(w))
	case opTrue:
		return true
	case opValue:
		return m.fits(argOf(w))
	case opShared:
		return m.shared(argOf(w))
	case opSequence:
		return m.may(code) && len(m.places(code, bothSides)) > 0
	case opScoped:
		return m.scoped(code)
	case opAnd:
		rest := code[2:]
		for range argOf(w) {
			if !m.holds(rest) {
				return false
			}
			rest = rest[size(rest):]
		}
		return true
	case opOr:
		rest := code[2:]
		for range argOf(w) {
			if m.holds(rest) {
				return true
			}
			rest = rest[size(rest):]
		}
	case opNot:
		if !m.holds(code[2:]) {
			return false
		}
		rest := code[2:]
		for range argOf(w) - 1 {
			rest = rest[size(rest):]
			if m.holds(rest) {
				return false
			}
		}
		return true
	case opAny:
		rest, n := code[3:], code[2]
		for range argOf(w) {
			if n == 0 {
				break
			}
			if m.holds(rest) {
				n--
			}
			rest = rest[size(rest):]
		}
		return n == 0
	case opAtLeast:
		return m.may(code) && firsts(m.places(code[3:], bothSides)) >= int(code[2])
	case opNear:
		return m.may(code) && m.near(code)
	case opBefore, opNotNear:
		return m.may(code) && len(m.places(code, bothSides)) > 0
	}
	return false
}

// firsts is how many tokens places begin at.
func firsts(ps []place) int {
	n := 0
	for i, p := range ps {
		if i == 0 || p.first != ps[i-1].first {
			n++
		}
	}
	return n
}

// may reports whether the words of a node, which stands for places, are there.
func (m *Matcher) may(code []uint32) bool {
	switch w := code[0]; opOf(w) {
	case opSymbol:
		return m.present.has(argOf(w))
	case opShared:
		return m.has(wordOf(argOf(w)))
	case opSequence:
		for _, s := range code[1:][:argOf(w)] {
			if !m.has(symbol(s)) {
				return false
			}
		}
		return true
	case opScoped:
		inner := code[4:]
		return opOf(inner[0]) == opSymbol && m.has(symbol(argOf(inner[0]))) || opOf(inner[0]) != opSymbol && m.may(inner)
	case opOr:
		rest := code[2:]
		for range argOf(w) {
			if m.may(rest) {
				return true
			}
			rest = rest[size(rest):]
		}
		return false
	case opAtLeast, opNotNear:
		return m.may(code[3:])
	case opNear, opBefore:
		a := code[3:]
		return m.may(a) && m.may(a[size(a):])
	}
	return true
}

// shared runs a shared node, once a document.
func (m *Matcher) shared(n uint32) bool {
	s := uint32(wordOf(n))
	if !m.knownHolds.add(s) {
		return m.doHold.has(s)
	}
	m.memos = append(m.memos, s)
	if m.holds(m.index.shared.get(n)) {
		m.doHold.add(s)
		return true
	}
	return false
}

func (m *Matcher) scoped(code []uint32) bool {
	if lang := code[3]; lang != 0 && m.lang != 0 && m.lang != lang {
		return false
	}
	inner := code[4:]
	switch {
	case code[2] == uint32(watchlist.InDefault) && opOf(inner[0]) == opSymbol:
		return m.present.has(argOf(inner[0]))
	case code[2]&presence != 0:
		return m.may(code)
	}
	return m.may(code) && len(m.places(code, bothSides)) > 0
}

// fits reports whether the document has the value that a wordSymbol names.
func (m *Matcher) fits(n uint32) bool {
	field, glob, _ := strings.Cut(m.index.vocabulary.words.get(n).form, "\x00")
	return m.doc.Fits(&watchlist.Expr{Field: field, Glob: glob})
}
