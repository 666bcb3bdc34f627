package pipeline

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A silent iterator has nothing, each time that it is asked.
type silent struct{ jetstream.MessagesContext }

func (silent) Next(...jetstream.NextOpt) (jetstream.Msg, error) { return nil, nats.ErrTimeout }

func TestReaderThatAClusterForgotAsksAnew(t *testing.T) {
	looks := 0
	_, err := nextOf(silent{}, true, func() bool { looks++; return looks == 3 })
	if !errors.Is(err, errForgotten) || looks != 3 {
		t.Errorf("after %d looks: %v", looks, err)
	}
}

// One that waits is not taken for forgotten, however long nothing comes.
func TestReaderThatWaitsLongGetsWhatComesThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), missiles())
		defer r.close()
		c := must(r.logs.items.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "reader", FilterSubject: "items.*"}))
		if !unasked(t.Context(), c)() {
			t.Error("nobody reads, and somebody is said to wait")
		}
		it := must(c.Messages())
		defer it.Stop()
		looks, forgotten := 0, unasked(t.Context(), c)
		time.AfterFunc(10*time.Minute, func() { r.put(item("fr", "1", "One", "missiles")) })
		m, err := nextOf(it, true, func() bool { looks++; return forgotten() })
		if err != nil || !strings.HasPrefix(m.Subject(), "items.") || looks < 10 {
			t.Errorf("after %d looks: %v", looks, err)
		}
	})
}
