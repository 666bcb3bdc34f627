package pipeline

import (
	"errors"
	"testing"

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
