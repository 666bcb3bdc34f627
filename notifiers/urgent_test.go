package notifiers

import (
	"strings"
	"testing"
	"time"

	"tocsin"
)

func urgentDelivery(mention, note string) tocsin.Delivery {
	return tocsin.Delivery{
		ID: "d1", Kind: tocsin.Post, Urgent: true, Note: note, Since: time.Now(),
		To:    tocsin.Destination{Name: "desk", To: "a@rcpt.test", Mention: mention},
		Alert: tocsin.Alert{ID: "a1", Title: "Launch", Copies: []tocsin.Copy{{Source: "fr", Title: "Launch <!channel>"}}},
	}
}

func TestUrgentMentionsWhomTheDestinationNames(t *testing.T) {
	for mention, want := range map[string]string{
		"": "<!here> ", "here": "<!here> ", "S024BE7LH": "<!subteam^S024BE7LH> ", "<!channel>": "<!here> ",
	} {
		m := slackMessageOf(urgentDelivery(mention, ""), time.Now())
		if !strings.HasPrefix(m.text, want) || strings.Contains(m.text, "<!channel>") || strings.Count(m.text, "<!") != 1 {
			t.Errorf("mention %q: the text is %q, want it to begin with %q and to mention nobody else", mention, m.text, want)
		}
	}
	d := urgentDelivery("", "")
	d.Urgent = false
	if m := slackMessageOf(d, time.Now()); strings.Contains(m.text, "<!") {
		t.Errorf("what is not urgent mentions: %q", m.text)
	}
}

func TestUrgentMailIsMarked(t *testing.T) {
	n := &emailNotifier{domain: "tocsin.test"}
	m, err := n.message(urgentDelivery("", "sent in quiet hours because it is urgent"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Subject: [urgent] Launch", "X-Priority: 1", "Importance: high", "in quiet hours because it is urgent"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the mail lacks %q:\n%s", want, b.String())
		}
	}
}
