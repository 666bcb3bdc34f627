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

// An acked is an acknowledgement and the Slack workspace in which it counts: "" is
// everywhere.
type acked struct {
	workspace string
	tocsin.Acknowledgement
}

func (p *page) acknowledge(ev Event) {
	a := tocsin.Acknowledgement{By: ev.By, At: ev.At}
	p.alert.Acknowledged = cmp.Or(p.alert.Acknowledged, a)
	p.acks = append(p.acks, acked{ev.Workspace, a})
}

// acknowledgedIn is the first acknowledgement of an alert that counts in a workspace;
// "" is told of all.
func (p *page) acknowledgedIn(workspace string) tocsin.Acknowledgement {
	for _, a := range p.acks {
		if workspace == "" || a.workspace == "" || a.workspace == workspace {
			return a.Acknowledgement
		}
	}
	return tocsin.Acknowledgement{}
}

func (b *book) acknowledgedIn(workspace, alert string) tocsin.Acknowledgement {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.alerts[alert]; p != nil {
		return p.acknowledgedIn(workspace)
	}
	return tocsin.Acknowledgement{}
}

// Acknowledge notes that by has an alert in hand, in a Slack workspace or, for "",
// everywhere. The first who does counts: the acknowledgement that stands is returned,
// by whomever it is.
func (l *Logs) Acknowledge(ctx context.Context, by, workspace, alert string) (tocsin.Acknowledgement, error) {
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
		if have := p.acknowledgedIn(workspace); have.By != "" {
			return have, nil
		}
		ev := Event{V: thirdFormat, Kind: Acknowledged, Alert: alert, At: time.Now().UTC(), By: by, Workspace: workspace}
		if workspace != "" {
			ev.V = tocsin.Format // an earlier tocsin would tell others of it
		}
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
