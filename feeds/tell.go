package feeds

import (
	"container/heap"
	"fmt"
	"time"
)

// listen tells our own outage: what fails by it counts for no source.
func (p *Poller) listen(host string, r *result, now time.Time) {
	if r.poll == PollNotStored {
		return
	}
	begins, ends, failing, polled := p.net.heard(host, !r.network, now, func(answered map[string]answer) int { return p.pending(answered, now) })
	down := Trouble{Key: "outage", Title: "our network", State: Outage}
	switch {
	case begins:
		down.Since = now
		down.Text = fmt.Sprintf("%d of %d hosts cannot be reached, which is our own outage: look at this machine's network, name servers and proxy; all sources are tried on at their intervals", failing, polled)
		p.out = append(p.out, down)
		p.forgive(now)
	case ends:
		down.Since, down.Over = now, true
		down.Text = fmt.Sprintf("%d of %d hosts can be reached again", polled-failing, polled)
		p.out = append(p.out, down)
	}
	if r.network && !p.net.since.IsZero() {
		r.poll = PollOutage
	}
}

// pending counts the hosts that are to answer any moment and have not.
func (p *Poller) pending(answered map[string]answer, now time.Time) int {
	hosts := map[string]bool{}
	for _, t := range p.tasks {
		if t.source.Canary {
			continue
		}
		if a, ok := answered[t.host]; (!ok || now.Sub(a.at) > outageWindow) && (t.flying || t.next.Sub(now) <= firstSpread) {
			hosts[t.host] = true
		}
	}
	return len(hosts)
}

// forgive takes back what the beginning of an outage was counted as.
func (p *Poller) forgive(now time.Time) {
	for _, t := range p.tasks {
		h := &t.health
		if h.failures == 0 || now.Sub(h.failing) > outageWindow || t.flying || h.condition != Unreachable && h.condition != Never && h.condition != Certificate {
			continue
		}
		h.failures, h.failing = 0, time.Time{}
		h.condition, h.since = h.prior, h.priorSince
		p.out = append(p.out, h.end(now, "it was our own outage")...)
		if soon := now.Add(t.source.Every); soon.Before(t.next) && t.place >= 0 {
			t.next = soon
			heap.Fix(&p.queue, t.place)
		}
	}
}

// logged tells the trouble of a log that cannot be read or written, once for all
// sources. Where writing failed only writing ends it.
func (p *Poller) logged(r result, now time.Time) {
	switch {
	case r.poll == PollNotStored && p.log.Key == "":
		p.log = Trouble{
			Key: "log", Title: "our log", State: NotStored, Since: now,
			Text: r.err.Error() + "; look at the disk and at NATS: until this is mended nothing new is stored, then all is that is still published",
		}
		p.out = append(p.out, p.log)
		p.stuck = r.writing
	case r.poll == PollNotStored:
		p.stuck = p.stuck || r.writing
	case r.poll == PollRead && p.log.Key != "" && (r.items > 0 || !p.stuck):
		t := p.log
		t.Over, t.Text = true, fmt.Sprintf("the log works again, after %s", now.Sub(t.Since).Round(time.Second))
		p.out, p.log = append(p.out, t), Trouble{}
	}
}

// flush reports what is to be reported.
func (p *Poller) flush() {
	p.tell.Lock()
	defer p.tell.Unlock()
	p.mu.Lock()
	out := p.out
	p.out = nil
	p.mu.Unlock()
	for _, t := range out {
		p.Slog.Warn("trouble", "stage", "poll", "source", t.Source, "condition", string(t.State), "over", t.Over, "detail", t.Text)
		if p.Report != nil {
			p.Report(t)
		}
	}
}
