package engine

// split is where a run, text[s:end], may be cut in two after its first rune so
// that both parts are cut into the words that they are together: before a letter
// that is a word of its own, and before punctuation that joins nothing.
func split(text string, s, end int) (int, bool) {
	for i := s + 1; i < end; i++ {
		switch c := text[i]; {
		case c < 0xC2 || 0xC2 < c && c < 0xE0: // most bytes
		case c == 0xC2:
			if i+1 < end && (text[i+1] == 0xA0 || text[i+1] == 0xAB || text[i+1] == 0xBB) { // NBSP « »
				return i, true
			}
		case c < 0xF0 && i+2 < end && apart(c, text[i+1], text[i+2]):
			return i, true
		}
	}
	return 0, false
}

// apart reports whether a rune of three bytes is one to split before: of Han,
// kana, Thai, Lao, Khmer or Burmese, of which only the letters that certainly
// begin a word are listed; or a dash, a quotation mark, a comma, a full stop.
func apart(a, b, c byte) bool {
	r := rune(a&0x0F)<<12 | rune(b&0x3F)<<6 | rune(c&0x3F)
	if b&0xC0 != 0x80 || c&0xC0 != 0x80 {
		return false
	}
	switch {
	case 0x4E00 <= r && r < 0xA000, 0x3400 <= r && r < 0x4DB6:
	case 0x3041 <= r && r <= 0x3096, 0x30A1 <= r && r <= 0x30FA:
	case 0x0E01 <= r && r <= 0x0E2E, 0x0E40 <= r && r <= 0x0E44:
	case 0x0E81 <= r && r <= 0x0E82, 0x0E94 <= r && r <= 0x0E97, 0x0EC0 <= r && r <= 0x0EC4:
	case 0x1780 <= r && r <= 0x17A2, 0x1000 <= r && r <= 0x1021:
	case r == 0x2013, r == 0x2014, r == 0x201C, r == 0x201D, r == 0x2026:
	case 0x3001 <= r && r <= 0x3002, 0x3008 <= r && r <= 0x3011, r == 0xFF0C, r == 0xFF1A, r == 0xFF1B:
	default:
		return false
	}
	return true
}
