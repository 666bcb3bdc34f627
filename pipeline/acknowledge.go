package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin"

	"github.com/nats-io/nats.go/jetstream"
)

// Acknowledged is the event that a person has an alert in hand: By says who. It
// has no Copy.
const Acknowledged = "acknowledged"

func (p *page) acknowledge(ev Event) {
	p.alert.Acknowledged = cmp.Or(p.alert.Acknowledged, tocsin.Acknowledgement{By: ev.By, At: ev.At})
}

// Acknowledge notes that by has an alert in hand. The first who does counts: the
// acknowledgement that stands is returned, by whomever it is.
func (l *Logs) Acknowledge(ctx context.Context, by, alert string) (tocsin.Acknowledgement, error) {
	if by == "" {
		return tocsin.Acknowledgement{}, fmt.Errorf("acknowledge alert %s: by whom is missing", alert)
	}
	for {
		info, err := l.alerts.Info(ctx)
		if err != nil {
			return tocsin.Acknowledgement{}, fmt.Errorf("acknowledge alert %s: %w", alert, err)
		}
		p, err := l.page(ctx, alert)
		if err != nil {
			return tocsin.Acknowledgement{}, err
		}
		if have := p.alert.Acknowledged; have.By != "" {
			return have, nil
		}
		ev := Event{V: thirdFormat, Kind: Acknowledged, Alert: alert, At: time.Now().UTC(), By: by}
		_, err = appendTo(ctx, l.b, "alerts."+alert, ev, jetstream.WithExpectLastSequence(info.State.LastSeq))
		if _, moved := errors.AsType[*errMoved](err); moved {
			continue
		}
		ack := tocsin.Acknowledgement{By: by, At: ev.At}
		if err == nil {
			err = l.audit(context.WithoutCancel(ctx), "alert", alert, Audited{Who: by, After: ev})
		}
		return ack, err
	}
}

// Alert is an alert as it stands.
func (l *Logs) Alert(ctx context.Context, id string) (tocsin.Alert, error) {
	if !tocsin.Name.MatchString(id) {
		return tocsin.Alert{}, fmt.Errorf("read alert %q: that is no name of an alert", clip(id, 40))
	}
	p, err := l.page(ctx, id)
	if err != nil {
		return tocsin.Alert{}, err
	}
	return p.alert, nil
}
