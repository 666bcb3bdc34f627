package main

import (
	"testing"
	"time"

	"tocsin"
	"tocsin/pipeline"
)

// What people change while the service runs counts for what is published a second
// later, and nothing of it for what came before.
func TestEditsCountForWhatIsPublishedASecondLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.baseline("mfa.example")
		s := r.start(r.config(sources("mfa.example") + desk))
		time.Sleep(2 * time.Minute)
		n := 0
		says := func(title string, posts int) {
			t.Helper()
			time.Sleep(time.Second)
			n++
			r.publish("mfa.example", entry("mfa.example", n, title, "Of "+title))
			time.Sleep(5 * time.Minute)
			if got := len(r.posts("C0000002", title)); got != posts {
				t.Errorf("%s: %d messages in the new channel, want %d", title, got, posts)
			}
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ctx := t.Context()
		ada := pipeline.Edit{By: "ada"}
		says("Herring one", 0)

		do(s.logs.SetDestination(ctx, ada, tocsin.Destination{Name: "new", Kind: "slack", To: "C0000002"}))
		do(s.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "herring"}))
		do(s.logs.Subscribe(ctx, "ada", "fish", "new"))
		says("Herring two", 1)
		says("Cod one", 0)

		do(s.logs.SetList(ctx, ada, tocsin.List{Name: "catch", Entries: []tocsin.Entry{{Term: "cod"}}}))
		do(s.logs.SetWatchlist(ctx, ada, tocsin.Watchlist{Name: "fish", Query: "@catch"}))
		says("Cod two", 1)
		says("Herring three", 0)

		do(s.logs.SetList(ctx, ada, tocsin.List{Name: "catch", Entries: []tocsin.Entry{{Term: "herring"}}}))
		says("Herring four", 1)

		do(s.logs.Unsubscribe(ctx, "ada", "fish", "new"))
		says("Herring five", 0)

		if posts := r.posts("C0000002", "Herring one"); len(posts) != 0 {
			t.Errorf("what came before the watchlist was sent: %+v", posts)
		}
	})
}
