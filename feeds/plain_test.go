package feeds

import (
	"strings"
	"testing"
)

func TestPlainIsWhatAPersonReads(t *testing.T) {
	for _, tt := range []struct{ name, html, want string }{
		{"text", "  just text ", "just text"},
		{"lines of text", "one\r\n two\n\n\n\nthree ", "one\ntwo\n\nthree"},
		{"entities", "Fish &amp; chips &eacute; &#8217;&#146;", "Fish & chips é ’’"},
		{"no entities", "AT&T ?a=1&copy=2&reg=3;x", "AT&T ?a=1&copy=2&reg=3;x"},
		{"paragraphs", "<p>One  \n two</p>\n<p>three</p>", "One two\n\nthree"},
		{"break", "one<br>two<br/>three", "one\ntwo\nthree"},
		{"two breaks", "one<br><br />two", "one\n\ntwo"},
		{"inline", "<b>mis</b>siles <i>and</i>&nbsp;<a href='x'>more</a>", "missiles and\u00a0more"},
		{"list", "<ul><li>one</li><li>two</li></ul>after", "one\ntwo\n\nafter"},
		{"table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
		{"script and style", "a<script>if (x < 1) alert('</p>')</script><style>p{}</style>b", "ab"},
		{"comment", "a<!-- <p>no</p> -->b", "ab"},
		{"empty frame of XHTML", "before <iframe src='x'/> after", "before after"},
		{"empty paragraph", "<p>one</p><p>&nbsp;</p><p>two</p>", "one\n\ntwo"},
		{"encoded twice", "&lt;p&gt;one&lt;/p&gt;&lt;p&gt;two &amp;amp; three&lt;/p&gt;", "one\n\ntwo & three"},
		{"no HTML", "x < y and <Kim> > z", "x < y and <Kim> > z"},
		{"less than in HTML", "<p>x &lt; y, a < b</p>", "x < y, a < b"},
		{"office markup", "<o:p>text</o:p>", "text"},
		{"broken", "<p>one <b two</p> <a href=\"x>y", "one <b two\n\ny"},
		{"script without end", "<p>one <script>two</p>", "one two"},
		{"Chinese", "<p>弹道导弹\n转移</p>", "弹道导弹 转移"},
	} {
		if got := plain(tt.html); got != tt.want {
			t.Errorf("%s: plain(%q) = %q, want %q", tt.name, tt.html, got, tt.want)
		}
	}
}

func TestPlainKeepsEveryWordOutsideTags(t *testing.T) {
	html := strings.Repeat("<div><p>alpha <em>beta</em></p><blockquote>gamma</blockquote>", 2000)
	if got := plain(html); strings.Count(got, "alpha") != 2000 || strings.Count(got, "beta") != 2000 || strings.Count(got, "gamma") != 2000 {
		t.Error("words are missing")
	}
}
