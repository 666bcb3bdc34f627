package notifiertest

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var long = regexp.MustCompile(`\{\d+\}`)

// broken are values that Slack's own types refuse; "{151}" stands for so many
// characters. "make interop" shows them to another validator too.
func broken(t *testing.T) (out []struct {
	Is, Why string
	Value   json.RawMessage
},
) {
	t.Helper()
	f, err := os.Open("testdata/broken.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		out = append(out, struct {
			Is, Why string
			Value   json.RawMessage
		}{})
		text := long.ReplaceAllStringFunc(s.Text(), func(n string) string {
			count, _ := strconv.Atoi(strings.Trim(n, "{}"))
			return strings.Repeat("x", count)
		})
		if err := json.Unmarshal([]byte(text), &out[len(out)-1]); err != nil {
			t.Fatalf("%v in %s", err, s.Text())
		}
	}
	return out
}

func TestSlacksTypesRefuseWhatIsBroken(t *testing.T) {
	all := broken(t)
	for _, b := range all {
		err := CheckTypes(b.Is, b.Value)
		if err == nil {
			t.Errorf("%s: let through", b.Why)
		} else {
			t.Logf("%s: %v", b.Why, err)
		}
	}
	if len(all) < 20 {
		t.Errorf("%d broken values", len(all))
	}
	for kind, good := range map[string]string{
		"message":  `[{"type":"header","text":{"type":"plain_text","text":"x"}},{"type":"section","text":{"type":"mrkdwn","text":"` + strings.Repeat("x", 3000) + `"}}]`,
		"modal":    `{"type":"modal","title":{"type":"plain_text","text":"x"},"blocks":[{"type":"divider"}]}`,
		"home":     `{"type":"home","blocks":[]}`,
		"metadata": `{"event_type":"tocsin_delivery","event_payload":{"id":"x"}}`,
	} {
		if err := CheckTypes(kind, json.RawMessage(good)); err != nil {
			t.Errorf("a good %s: %v", kind, err)
		}
	}
	if CheckTypes("postcard", json.RawMessage(`{}`)) == nil || CheckTypes("home", json.RawMessage(`{`)) == nil {
		t.Error("a kind that is none, or no JSON, is let through")
	}
}

func TestTheFakeHoldsEverythingToSlacksTypes(t *testing.T) {
	if err := CheckBlocks(json.RawMessage(`[{"type":"divider","color":"red"}]`)); err == nil {
		t.Error("CheckBlocks lets a divider with a colour through")
	}
	if err := CheckAnswer(json.RawMessage(`[{"type":"divider","color":"red"}]`)); err == nil {
		t.Error("CheckAnswer lets a divider with a colour through")
	}
	if err := CheckView(json.RawMessage(`{"type":"home","blocks":[{"type":"divider","color":"red"}]}`)); err == nil {
		t.Error("CheckView lets a divider with a colour through")
	}
}

func BenchmarkCheckTypes(b *testing.B) {
	raw := json.RawMessage(`[{"type":"header","text":{"type":"plain_text","text":"x"}},{"type":"section","text":{"type":"mrkdwn","text":"` + strings.Repeat("x", 3000) +
		`"}},{"type":"actions","elements":[{"type":"button","action_id":"a","text":{"type":"plain_text","text":"x"}},{"type":"button","action_id":"b","text":{"type":"plain_text","text":"x"}}]}]`)
	for b.Loop() {
		if err := CheckTypes("message", raw); err != nil {
			b.Fatal(err)
		}
	}
}
