package slackapp

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"time"

	"tocsin"
)

// TestSignaturesAreJudgedAsSlacksOwnCodeDoes reads what @slack/bolt said of requests in
// "make interop".
func TestSignaturesAreJudgedAsSlacksOwnCodeDoes(t *testing.T) {
	f, err := os.Open("testdata/signed.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	taken, refused := 0, 0
	for s := bufio.NewScanner(f); s.Scan(); {
		var v struct {
			Why, Stamp, Signature, Body string
			Secret                      tocsin.Secret
			Now                         int64
			Signed                      bool
		}
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatalf("%v in %s", err, s.Text())
		}
		// Bolt refuses only what is old. What is dated ahead could be replayed for longer.
		want := v.Signed && v.Why != "further ahead"
		if err := verify(v.Secret, v.Stamp, v.Signature, []byte(v.Body), time.Unix(v.Now, 0)); (err == nil) != want {
			t.Errorf("%s: %v, and Slack's code says %v", v.Why, err, v.Signed)
		}
		if v.Signed {
			taken++
		} else {
			refused++
		}
	}
	if taken < 5 || refused < 8 {
		t.Errorf("%d requests that are signed, %d that are not", taken, refused)
	}
}
