package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A backupRecord is what must be the same after a restore.
type backupRecord struct {
	Seq     uint64
	Subject string
	Time    time.Time
	Header  string
	Data    string
}

func backupRecords(t *testing.T, b *Bus, stream string) []backupRecord {
	t.Helper()
	s := mustStream(t, b, stream)
	st := s.CachedInfo().State
	var all []backupRecord
	for seq := st.FirstSeq; seq <= st.LastSeq && st.Msgs > 0; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, backupRecord{m.Sequence, m.Subject, m.Time, fmt.Sprint(m.Header), string(m.Data)})
	}
	return all
}

// backupStore fills a store of the shape that the pipeline has, and keeps writing
// until stop is called: an item, the alert that names it, the ledger's record
// that names the alert.
func backupStore(t *testing.T, b *Bus) (stop func()) {
	t.Helper()
	if err := Setup(t.Context(), b, 1, 0); err != nil {
		t.Fatal(err)
	}
	match, err := b.JS.CreateConsumer(t.Context(), streamItems, jetstream.ConsumerConfig{Durable: "match", MaxAckPending: 16})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := b.JS.KeyValue(t.Context(), bucketLease)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lease.Create(t.Context(), "poll.1", []byte("me"), jetstream.KeyTTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	watch, err := b.JS.KeyValue(t.Context(), bucketWatch)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 70 { // more than the history keeps
		if _, err := watch.PutString(t.Context(), "watchlist.a", fmt.Sprint("version ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := watch.Delete(t.Context(), "watchlist.a"); err != nil {
		t.Fatal(err)
	}
	sources, err := b.JS.KeyValue(t.Context(), bucketSources)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	item := func(i int) uint64 {
		seq := embedPublish(t, b, "items.s1", fmt.Sprintf("item %d %s", i, strings.Repeat("text ", 400)))
		if _, err := sources.PutString(t.Context(), "s1", fmt.Sprint(seq)); err != nil {
			t.Error(err)
		}
		return seq
	}
	waiting := item(0) // there is always one that was not matched yet
	write := func(i int) {
		next := item(i)
		alert := embedPublish(t, b, "alerts.a", fmt.Sprint(waiting))
		embedPublish(t, b, "ledger.0.duty", fmt.Sprint(alert))
		if m, err := match.Next(); err != nil {
			t.Error(err)
		} else if err := m.DoubleAck(t.Context()); err != nil {
			t.Error(err)
		}
		waiting = next
	}
	for i := range 80 {
		write(i)
	}
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				write(i)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

func TestRestoreBringsBackWhatABackupOfARunningServiceHeld(t *testing.T) {
	s := embedTest(t, embedConfig(t, t.TempDir()))
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	stop := backupStore(t, s.Bus())
	dialled, err := Dial(t.Context(), s.config.Dir, s.config.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	dir := filepath.Join(t.TempDir(), "backup")
	m, err := Backup(t.Context(), dialled, dir)
	stop()
	if err != nil {
		t.Fatal(err)
	}
	fresh := embedTest(t, embedConfig(t, t.TempDir()))
	if _, err := Restore(t.Context(), fresh.Bus(), dir); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, bs := range m.Streams {
		names = append(names, bs.Name)
		last := mustStream(t, fresh.Bus(), bs.Name).CachedInfo().State.LastSeq
		if last != bs.Last {
			t.Errorf("%s ends at %d, the manifest says %d", bs.Name, last, bs.Last)
		}
		want := slices.DeleteFunc(backupRecords(t, s.Bus(), bs.Name), func(r backupRecord) bool { return r.Seq > last })
		got := backupRecords(t, fresh.Bus(), bs.Name)
		if bs.Name == "KV_"+bucketSources {
			continue // one version a key: the one of that moment may be gone since
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d records restored, %d expected, or they differ", bs.Name, len(got), len(want))
		}
	}
	if want := backupOrder; !slices.Equal(names, want) {
		t.Errorf("the backup holds %q, want %q in this order", names, want)
	}
	checkReferences(t, fresh.Bus())
	checkPosition(t, fresh.Bus())
	if !fresh.seat.Load().JetStreamConfig().SyncAlways {
		t.Error("the server goes on without syncing")
	}
	// The restored store is a store like any other.
	if err := Setup(t.Context(), fresh.Bus(), 1, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := fresh.Audit(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("audit: %q, %v", got, err)
	}
	last := mustStream(t, fresh.Bus(), streamItems).CachedInfo().State.LastSeq
	if seq := embedPublish(t, fresh.Bus(), "items.s1", "next"); seq != last+1 {
		t.Errorf("next item has sequence %d, want %d", seq, last+1)
	}
}

// checkReferences finds records that name a sequence of the next log which is not
// there: a cursor or a state ahead of its log hides what comes next.
func checkReferences(t *testing.T, b *Bus) {
	t.Helper()
	for from, to := range map[string]string{streamLedger: streamAlerts, streamAlerts: streamItems, "KV_" + bucketSources: streamItems} {
		last := mustStream(t, b, to).CachedInfo().State.LastSeq
		for _, r := range backupRecords(t, b, from) {
			var seq uint64
			if _, err := fmt.Sscan(r.Data, &seq); err != nil || seq > last {
				t.Errorf("record %d of %s names %q of %s, which ends at %d (%v)", r.Seq, from, r.Data, to, last, err)
			}
		}
	}
}

// checkPosition finds items that will not be matched again and have no alert.
func checkPosition(t *testing.T, b *Bus) {
	t.Helper()
	c, err := b.JS.Consumer(t.Context(), streamItems, "match")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.CachedInfo().Config.MaxAckPending; got != 16 {
		t.Errorf("the consumer's MaxAckPending is %d, want 16", got)
	}
	alerts := backupRecords(t, b, streamAlerts)
	var alerted uint64
	if _, err := fmt.Sscan(alerts[len(alerts)-1].Data, &alerted); err != nil {
		t.Fatal(err)
	}
	if floor := c.CachedInfo().AckFloor.Stream; floor < 80 || floor > alerted {
		t.Errorf("items up to %d count as matched, the last alert is for item %d", floor, alerted)
	}
}

func TestBackupSumsAreThoseOfSha256sum(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("no sha256sum on this machine")
	}
	dir := backupOnce(t)
	cmd := exec.Command("sha256sum", "--strict", "-c", backupSums)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}
}

// backupOnce is the directory of a backup of a small store.
func backupOnce(t *testing.T) string {
	t.Helper()
	s := embedTest(t, embedConfig(t, t.TempDir()))
	backupStore(t, s.Bus())()
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := Backup(t.Context(), s.Bus(), dir); err != nil {
		t.Fatal(err)
	}
	_, err := Backup(t.Context(), s.Bus(), dir)
	wantError(t, err, dir, "not empty")
	_, err = Restore(t.Context(), s.Bus(), dir)
	wantError(t, err, "already holds", streamItems, "empty data directory")
	return dir
}

func TestRestoreRefusesADamagedBackup(t *testing.T) {
	whole, items := backupOnce(t), streamItems+backupExt
	for name, damage := range map[string]func(t *testing.T, dir string) string{
		"a flipped bit": func(t *testing.T, dir string) string {
			editFile(t, filepath.Join(dir, items), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
			return items
		},
		"a cut file": func(t *testing.T, dir string) string {
			editFile(t, filepath.Join(dir, items), func(b []byte) []byte { return b[:len(b)-1] })
			return items
		},
		"a missing file": func(t *testing.T, dir string) string {
			return items + errText(os.Remove(filepath.Join(dir, items)))
		},
		"an edited manifest": func(t *testing.T, dir string) string {
			editFile(t, filepath.Join(dir, backupManifest), func(b []byte) []byte { return append(b, ' ') })
			return backupManifest
		},
		"one that did not finish": func(t *testing.T, dir string) string {
			return backupSums + errText(os.Remove(filepath.Join(dir, backupSums)))
		},
		"one of a later format": func(t *testing.T, dir string) string {
			m, err := ReadBackup(dir)
			m.Format = backupFormat + 1
			return "newer" + errText(errors.Join(err, m.seal(dir)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "backup")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			want := damage(t, dir)
			s := embedTest(t, embedConfig(t, t.TempDir()))
			_, err := Restore(t.Context(), s.Bus(), dir)
			wantError(t, err, want)
			if names, err := streamNames(t.Context(), s.Bus()); len(names) != 0 || err != nil {
				t.Errorf("the refused restore left %q, %v", names, err)
			}
		})
	}
}

func errText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func editFile(t *testing.T, path string, edit func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, edit(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A backup whose sums are right and whose content is not is found while it is
// restored: nothing may stay behind.
func TestRestoreThatFailsLeavesAnEmptyStore(t *testing.T) {
	dir := backupOnce(t)
	m, err := ReadBackup(dir)
	if err != nil {
		t.Fatal(err)
	}
	last := &m.Streams[len(m.Streams)-1]
	path := filepath.Join(dir, last.File)
	editFile(t, path, func(b []byte) []byte { return b[:len(b)/2] })
	if last.SHA256, err = fileSum(path); err != nil {
		t.Fatal(err)
	}
	if err := m.seal(dir); err != nil {
		t.Fatal(err)
	}
	s := embedTest(t, embedConfig(t, t.TempDir()))
	_, err = Restore(t.Context(), s.Bus(), dir)
	wantError(t, err, "restore "+last.Name)
	if names, err := streamNames(t.Context(), s.Bus()); len(names) != 0 || err != nil {
		t.Errorf("the failed restore left %q, %v", names, err)
	}
}

func TestAStoreWithHalfARestoreIsRefused(t *testing.T) {
	c := embedConfig(t, t.TempDir())
	s := embedTest(t, c)
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: restoringStream, Subjects: []string{"restoring"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Embed(t.Context(), c)
	wantError(t, err, c.Dir, "did not finish")

	srv := natsServer(t, "jetstream: enabled")
	b, err := Connect(t.Context(), ConnectConfig{URL: srv.ClientURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	embedStream(t, b, jetstream.StreamConfig{Name: restoringStream, Subjects: []string{"restoring"}})
	_, err = Connect(t.Context(), ConnectConfig{URL: srv.ClientURL()})
	wantError(t, err, "did not finish")
}

func TestABackupMovesBetweenServers(t *testing.T) {
	dir := backupOnce(t)
	srv := natsServer(t, "jetstream: enabled")
	b, err := Connect(t.Context(), ConnectConfig{URL: srv.ClientURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := Restore(t.Context(), b, dir); err != nil {
		t.Fatal(err)
	}
	back := filepath.Join(t.TempDir(), "back")
	m, err := Backup(t.Context(), b, back)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Streams { // as a cluster would keep it
		editConfig(t, &m.Streams[i].Config)
		for j := range m.Streams[i].Consumers {
			m.Streams[i].Consumers[j].Config.Replicas = 3
		}
	}
	if err := m.seal(back); err != nil {
		t.Fatal(err)
	}
	s := embedTest(t, embedConfig(t, t.TempDir()))
	if _, err := Restore(t.Context(), s.Bus(), back); err != nil {
		t.Fatal(err)
	}
	for _, name := range backupOrder {
		if got, want := backupRecords(t, s.Bus(), name), backupRecords(t, b, name); !slices.Equal(got, want) {
			t.Errorf("%s: %d records, want %d, or they differ", name, len(got), len(want))
		}
	}
}

func editConfig(t *testing.T, config *json.RawMessage) {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal(*config, &c); err != nil {
		t.Fatal(err)
	}
	c["num_replicas"] = 3
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	*config = text
}
