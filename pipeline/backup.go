package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

const (
	backupFormat   = 1
	backupManifest = "manifest.json"
	backupSums     = "SHA256SUMS" // written last: a backup without it is not finished
	backupExt      = ".snapshot"
	backupChunk    = 128 << 10        // bytes; a server's default payload limit is 1 MiB
	backupIdle     = 30 * time.Second // without a chunk, after which a snapshot has failed
)

// restoringStream exists while a restore is under way. A store that holds it is
// not whole and must not be used.
const restoringStream = "RESTORING"

var errHalfRestored = errors.New("a restore into it did not finish; empty it and restore again")

// backupOrder is the order in which the states of the logs are fixed: what
// refers is fixed before what it refers to, so that every reference in the
// backup has its target there.
var backupOrder = []string{"KV_" + bucketSources, streamLedger, streamWatch, streamAlerts, streamAudit, streamItems}

// backupSkips are about processes that will not exist when the backup is used.
var backupSkips = []string{"KV_" + bucketLease, "KV_TRYING", streamCanary, restoringStream}

// A Manifest describes a backup.
type Manifest struct {
	Format  int            `json:"format"`
	Taken   time.Time      `json:"taken"`
	Streams []BackupStream `json:"streams"` // in the order in which they were fixed
}

// A BackupStream is one log or bucket in a backup.
type BackupStream struct {
	Name     string          `json:"name"`
	File     string          `json:"file"`
	Messages uint64          `json:"messages"`
	First    uint64          `json:"first"` // sequence
	Last     uint64          `json:"last"`  // sequence
	Size     int64           `json:"size"`  // of the file, in bytes
	SHA256   string          `json:"sha256"`
	Config   json.RawMessage `json:"config"`
	State    json.RawMessage `json:"state"`

	Consumers []BackupConsumer `json:"consumers,omitempty"`
}

// A BackupConsumer is a durable consumer of a stream in a backup.
type BackupConsumer struct {
	Config jetstream.ConsumerConfig `json:"config"`
	Floor  uint64                   `json:"floor"` // it had acknowledged everything up to this sequence
}

// Backup writes all logs and buckets, as they are now, into a new or empty
// directory. The service may go on meanwhile. Leases are left out.
func Backup(ctx context.Context, b *Bus, dir string) (Manifest, error) {
	m := Manifest{Format: backupFormat, Taken: time.Now().UTC().Truncate(time.Second)}
	if err := emptyDir(dir); err != nil {
		return m, fmt.Errorf("back up to %s: %w", dir, err)
	}
	names, err := backupStreams(ctx, b)
	if err != nil {
		return m, err
	}
	before := b.NC.Stats().Reconnects
	consumers, err := backupConsumers(ctx, b, names)
	if err != nil {
		return m, err
	}
	snaps, err := fixStreams(ctx, b, names)
	if err != nil {
		return m, err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range snaps {
		g.Go(func() error { return s.write(gctx, dir) })
	}
	if err := g.Wait(); err != nil {
		return m, err
	}
	if b.NC.Stats().Reconnects != before {
		return m, errors.New("back up: the connection to NATS broke meanwhile; try again")
	}
	for _, s := range snaps {
		s.Consumers = consumers[s.Name]
		m.Streams = append(m.Streams, s.BackupStream)
	}
	return m, m.seal(dir)
}

func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return errors.New("it is not empty; name a new directory")
	}
	return nil
}

func backupStreams(ctx context.Context, b *Bus) ([]string, error) {
	names, err := streamNames(ctx, b)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(backupSkips, n) })
	if len(names) == 0 {
		return nil, fmt.Errorf("back up: %w", ErrNoData)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(slices.Index(backupOrder, a)-slices.Index(backupOrder, b), strings.Compare(a, b))
	})
	return names, nil
}

func streamNames(ctx context.Context, b *Bus) ([]string, error) {
	var names []string
	list := b.JS.StreamNames(ctx)
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	return names, nil
}

// backupConsumers reads how far consumers are, before anything is fixed. What a
// snapshot says of them is younger than ALERTS: an item acknowledged there
// without its alert would be lost.
func backupConsumers(ctx context.Context, b *Bus, streams []string) (map[string][]BackupConsumer, error) {
	all := map[string][]BackupConsumer{}
	for _, name := range streams {
		s, err := b.JS.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("back up %s: %w", name, err)
		}
		list := s.ListConsumers(ctx)
		for c := range list.Info() {
			if c.Config.Durable != "" {
				all[name] = append(all[name], BackupConsumer{c.Config, c.AckFloor.Stream})
			}
		}
		if err := list.Err(); err != nil {
			return nil, fmt.Errorf("back up the consumers of %s: %w", name, err)
		}
	}
	return all, nil
}

// A snapshot is a stream on its way into a backup. Its state is fixed when the
// server answers the request; its chunks come after that.
type snapshot struct {
	BackupStream
	chunks *nats.Subscription
}

// fixStreams asks for all snapshots, one right after the other, so that what lies
// between the first and the last state is about a millisecond.
func fixStreams(ctx context.Context, b *Bus, names []string) ([]*snapshot, error) {
	var snaps []*snapshot
	for _, name := range names {
		s, err := fixStream(ctx, b, name)
		if err != nil {
			return nil, fmt.Errorf("back up %s: %w", name, err)
		}
		snaps = append(snaps, s)
	}
	return snaps, nil
}

func fixStream(ctx context.Context, b *Bus, name string) (*snapshot, error) {
	inbox := b.NC.NewInbox()
	sub, err := b.NC.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	req := map[string]any{"deliver_subject": inbox, "no_consumers": true, "chunk_size": backupChunk}
	var resp struct{ Config, State json.RawMessage }
	if err := askAPI(ctx, b, "STREAM.SNAPSHOT."+name, req, &resp); err != nil {
		return nil, errors.Join(err, sub.Unsubscribe())
	}
	var st jetstream.StreamState
	if err := json.Unmarshal(resp.State, &st); err != nil {
		return nil, errors.Join(err, sub.Unsubscribe())
	}
	return &snapshot{chunks: sub, BackupStream: BackupStream{
		Name: name, File: name + backupExt, Messages: st.Msgs, First: st.FirstSeq, Last: st.LastSeq,
		Config: resp.Config, State: resp.State,
	}}, nil
}

// askAPI makes one request of the JetStream API that has no other client.
func askAPI(ctx context.Context, b *Bus, subject string, req, resp any) error {
	data, err := json.Marshal(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	msg, err := b.NC.RequestWithContext(ctx, "$JS.API."+subject, data)
	if err != nil {
		return err
	}
	if err := apiFailure(msg.Data); err != nil {
		return err
	}
	return json.Unmarshal(msg.Data, resp)
}

func apiFailure(answer []byte) error {
	var failed struct {
		Error *jetstream.APIError `json:"error"`
	}
	if len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, &failed); err != nil {
		return err
	}
	if failed.Error != nil {
		return failed.Error
	}
	return nil
}

// write receives a snapshot into its file.
func (s *snapshot) write(ctx context.Context, dir string) error {
	defer s.chunks.Unsubscribe()
	f, err := os.OpenFile(filepath.Join(dir, s.File), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("back up %s: %w", s.Name, err)
	}
	sum := sha256.New()
	err = s.receive(ctx, io.MultiWriter(f, sum))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("back up %s: %w", s.Name, err)
	}
	s.SHA256 = hexSum(sum)
	return nil
}

func (s *snapshot) receive(ctx context.Context, w io.Writer) error {
	for n := 1; ; n++ {
		msg, err := s.next(ctx)
		if err != nil {
			return err
		}
		if len(msg.Data) == 0 {
			if status := msg.Header.Get("Status"); status != "" && status != "204" {
				return fmt.Errorf("the server gave up: %s %s", status, msg.Header.Get("Description"))
			}
			return nil
		}
		if msg.Reply != "" {
			// The acknowledgement's subject ends in the number of the chunk.
			if !strings.HasSuffix(msg.Reply, fmt.Sprintf(".%d", n)) {
				return fmt.Errorf("chunk %d is missing", n)
			}
			if err := msg.Respond(nil); err != nil {
				return err
			}
		}
		if _, err := w.Write(msg.Data); err != nil {
			return err
		}
		s.Size += int64(len(msg.Data))
	}
}

func (s *snapshot) next(ctx context.Context) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, backupIdle)
	defer cancel()
	return s.chunks.NextMsgWithContext(ctx)
}

// seal writes the manifest and the sums, which any sha256sum -c can check.
func (m Manifest) seal(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := writeSynced(filepath.Join(dir, backupManifest), string(text)+"\n"); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	sum := sha256.Sum256(append(text, '\n'))
	var sums strings.Builder
	fmt.Fprintf(&sums, "%x  %s\n", sum, backupManifest)
	for _, s := range m.Streams {
		fmt.Fprintf(&sums, "%s  %s\n", s.SHA256, s.File)
	}
	if err := writeSynced(filepath.Join(dir, backupSums), sums.String()); err != nil {
		return fmt.Errorf("write %s: %w", backupSums, err)
	}
	return nil
}
