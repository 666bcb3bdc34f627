package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// An InUseError means that another process works on the data directory. Two
// servers on one directory would destroy each other's writes.
type InUseError struct {
	Dir string
	PID int // 0 if it could not be read
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("data directory %s is in use by %s; stop it or choose another with --data", e.Dir, who)
}

// A dirLock is the right to work on a data directory. The system takes it back
// when the process dies.
type dirLock struct {
	dir  string
	file *os.File
}

// lockDir takes the lock of dir, for which it waits as long as patience: a
// command that reads the directory is done in a moment.
func lockDir(ctx context.Context, dir string, patience time.Duration) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w; make %s writable or choose another with --data", err, dir)
	}
	for start := time.Now(); ; {
		err := lockFile(f)
		if err == nil {
			break
		}
		if !errors.Is(err, errLocked) {
			f.Close()
			return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
		}
		if time.Since(start) >= patience || pause(ctx, 50*time.Millisecond) != nil {
			defer f.Close()
			return nil, &InUseError{Dir: dir, PID: readPID(f)}
		}
	}
	l := &dirLock{dir, f}
	if err := l.sign(); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	return l, nil
}

func (l *dirLock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

func readPID(f *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// held reports whether the lock still guards the directory: it does not when
// somebody removed or replaced the file.
func (l *dirLock) held() error {
	mine, err := l.file.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(l.file.Name())
	if err != nil || !os.SameFile(mine, now) {
		return fmt.Errorf("data directory %s is no longer locked: its file LOCK was removed; stop every tocsin that uses it and start one", l.dir)
	}
	return nil
}

func (l *dirLock) release() error { return l.file.Close() }
