package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ReadBackup checks every sum of a backup and returns what it holds.
func ReadBackup(dir string) (Manifest, error) {
	var m Manifest
	sums, err := os.ReadFile(filepath.Join(dir, backupSums))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("read backup %s: it has no %s: it is no backup, or one that did not finish", dir, backupSums)
	}
	if err != nil {
		return m, fmt.Errorf("read backup: %w", err)
	}
	checked := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if got, err := fileSum(filepath.Join(dir, filepath.Base(name))); err != nil {
			return m, fmt.Errorf("read backup: %w", err)
		} else if got != want {
			return m, fmt.Errorf("read backup: %s in %s is damaged: its sum is not that of %s", name, dir, backupSums)
		}
		checked[name] = true
	}
	text, err := os.ReadFile(filepath.Join(dir, backupManifest))
	if err != nil {
		return m, fmt.Errorf("read backup: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read backup manifest: %w", err)
	}
	if m.Format > backupFormat {
		return m, fmt.Errorf("read backup %s: it has format %d and this tocsin reads up to %d; use a newer one", dir, m.Format, backupFormat)
	}
	for _, s := range m.Streams {
		if !checked[s.File] {
			return m, fmt.Errorf("read backup %s: %s has no sum in %s", dir, s.File, backupSums)
		}
	}
	return m, nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hexSum(sum), nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// Restore brings a backup into an empty store, with the sequences it had. It
// checks the whole backup first. After an error the store is empty again; a
// store in which a restore was killed is refused by Embed and Connect.
func Restore(ctx context.Context, b *Bus, dir string) (Manifest, error) {
	m, err := ReadBackup(dir)
	if err != nil {
		return m, err
	}
	names, err := streamNames(ctx, b)
	if err != nil {
		return m, err
	}
	if len(names) > 0 {
		return m, fmt.Errorf("restore %s: the store already holds %s; restore into an empty data directory or account", dir, strings.Join(names, ", "))
	}
	marker := jetstream.StreamConfig{Name: restoringStream, Subjects: []string{"restoring"}}
	if _, err := b.JS.CreateStream(ctx, marker); err != nil {
		return m, fmt.Errorf("restore %s: %w", dir, err)
	}
	err = b.inBulk(ctx, func() error { return restoreStreams(ctx, b, dir, m.Streams) })
	if err != nil {
		if left := undoRestore(ctx, b, m.Streams); left != nil {
			return m, fmt.Errorf("%w; what was restored could not be removed (%w): empty the store", err, left)
		}
		return m, err
	}
	if err := b.JS.DeleteStream(ctx, restoringStream); err != nil {
		return m, fmt.Errorf("restore %s: %w", dir, err)
	}
	return m, nil
}

// inBulk does work that writes much and is undone if it fails. An embedded
// server does not sync every write of it, but all of them at the end: one
// message a sync takes minutes, and a server that stores too slowly for 5 s
// gives a restore up.
func (b *Bus) inBulk(ctx context.Context, work func() error) error {
	if b.server == nil {
		return work()
	}
	if err := b.server.restart(ctx, true); err != nil {
		return err
	}
	err := work()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(err, b.server.restart(ctx, false))
}

func undoRestore(ctx context.Context, b *Bus, streams []BackupStream) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, s := range streams {
		if err := b.JS.DeleteStream(ctx, s.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("remove %s: %w", s.Name, err)
		}
	}
	return b.JS.DeleteStream(ctx, restoringStream)
}

func restoreStreams(ctx context.Context, b *Bus, dir string, streams []BackupStream) error {
	for _, s := range streams {
		if err := restoreStream(ctx, b, dir, s); err != nil {
			return fmt.Errorf("restore %s: %w", s.Name, err)
		}
	}
	return nil
}

func restoreStream(ctx context.Context, b *Bus, dir string, s BackupStream) error {
	config, err := configFor(b, s.Config)
	if err != nil {
		return err
	}
	var resp struct {
		Deliver string `json:"deliver_subject"`
	}
	if err := askAPI(ctx, b, "STREAM.RESTORE."+s.Name, map[string]json.RawMessage{"config": config, "state": s.State}, &resp); err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir, s.File))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sendChunks(ctx, b, resp.Deliver, f); err != nil {
		return err
	}
	return finishStream(ctx, b, s)
}

// configFor is a stream's configuration where b runs: an embedded server keeps
// one copy.
func configFor(b *Bus, config json.RawMessage) (json.RawMessage, error) {
	if !b.Embedded {
		return config, nil
	}
	var c map[string]json.RawMessage
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("read its configuration: %w", err)
	}
	c["num_replicas"] = json.RawMessage("1")
	delete(c, "placement")
	return json.Marshal(c)
}

// sendChunks ends with an empty one, whose answer comes when all is stored.
func sendChunks(ctx context.Context, b *Bus, to string, r io.Reader) error {
	chunk := make([]byte, backupChunk)
	for {
		n, err := io.ReadFull(r, chunk)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		msg, err := b.NC.RequestWithContext(ctx, to, chunk[:n])
		if err != nil {
			return err
		}
		if err := apiFailure(msg.Data); err != nil || n == 0 {
			return err
		}
	}
}

func finishStream(ctx context.Context, b *Bus, s BackupStream) error {
	stream, err := b.JS.Stream(ctx, s.Name)
	if err != nil {
		return err
	}
	if last := stream.CachedInfo().State.LastSeq; last != s.Last {
		return fmt.Errorf("it ends at record %d, the backup at %d", last, s.Last)
	}
	for _, c := range s.Consumers {
		cfg := c.Config
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, c.Floor+1, nil
		cfg.Replicas = 0 // as the stream
		if _, err := stream.CreateConsumer(ctx, cfg); err != nil {
			return fmt.Errorf("consumer %s: %w", cfg.Durable, err)
		}
	}
	return nil
}
