package pipeline

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Names in a data directory, beside LOCK, tocsin.sock and the server's own
// directory jetstream.
const (
	ownerFile   = "owner"   // this directory's id, for leases
	runningFile = "running" // there while a service runs, and after it died
)

// prepareDir creates dir for this user alone. A directory that somebody made
// for tocsin is closed to others; one that holds anything is left as it is.
func prepareDir(dir string) error {
	advice := "choose another with --data"
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return fmt.Errorf("use data directory %s: it is a file; %s", dir, advice)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data directory: %w; %s", err, advice)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 {
		_ = os.Chmod(dir, 0o700) // a mounted volume may belong to another user
	}
	if err := os.MkdirAll(filepath.Join(dir, "jetstream"), 0o700); err != nil {
		return fmt.Errorf("write to data directory: %w; make it writable or %s", err, advice)
	}
	return nil
}

// checkSpace refuses a new directory that could take nothing in. What exists
// is opened with an eighth of that: what waits in it can be delivered.
func (s *Server) checkSpace() error {
	need, dir := s.config.Floor, s.config.Dir
	if hasStore(dir) {
		need /= 8
	}
	free, err := Free(dir)
	if err != nil {
		return err
	}
	if free < need && !s.visitor {
		return fmt.Errorf("start in data directory %s: %d MiB are free, %d MiB are needed; free some or choose another with --data", dir, free>>20, need>>20)
	}
	return nil
}

func hasStore(dir string) bool {
	names, _ := filepath.Glob(filepath.Join(streamsDir(dir), "*"))
	return len(names) > 0
}

func streamsDir(dir string) string { return filepath.Join(dir, "jetstream", account, "streams") }

func (s *Server) readOwner() (string, error) {
	path := filepath.Join(s.config.Dir, ownerFile)
	text, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(text)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read owner id: %w", err)
	}
	id := newOwner()
	if err := writeSynced(path, id+"\n"); err != nil {
		return "", fmt.Errorf("write owner id: %w", err)
	}
	return id, nil
}

func newOwner() string { return strings.ToLower(rand.Text()[:16]) }

func (s *Server) markRunning() error {
	if s.visitor {
		return nil
	}
	path := filepath.Join(s.config.Dir, runningFile)
	if _, err := os.Stat(path); err == nil {
		s.Unclean = true
		return nil
	}
	if err := writeSynced(path, fmt.Sprintln(os.Getpid())); err != nil {
		return fmt.Errorf("mark data directory as running: %w", err)
	}
	return nil
}

// markStopped leaves the mark of an unclean stop where the server died, and where
// this start did not come far enough to do something about the last one.
func (s *Server) markStopped(ran bool) error {
	died := s.ready && !ran
	if s.visitor || died || s.Unclean && !s.ready {
		return nil
	}
	if err := os.Remove(filepath.Join(s.config.Dir, runningFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeSynced replaces a small file, whole or not at all.
func writeSynced(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// syncTree brings every file below dir to the disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Sync(); err != nil && !e.IsDir() { // not every system syncs directories
			return err
		}
		return nil
	})
}
