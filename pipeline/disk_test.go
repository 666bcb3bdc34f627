//go:build linux

package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestFreeIsNeverMoreThanTheDisk(t *testing.T) {
	free, err := Free(t.TempDir())
	if err != nil || free == 0 || free > 1<<60 {
		t.Errorf("Free = %d, %v", free, err)
	}
	_, err = Free(filepath.Join(t.TempDir(), "none"))
	wantError(t, err, "free space")
}

// smallDisk mounts a file system of a few megabytes in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tocsin", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a small file system needs more rights: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestAFullDiskLosesNothingAndIsLeftWithoutHelp fills the disk behind the
// server's back, which then refuses to store even when there is space again.
func TestAFullDiskLosesNothingAndIsLeftWithoutHelp(t *testing.T) {
	space := make(chan bool, 16)
	c := embedConfig(t, smallDisk(t, "40m"))
	c.Floor = 8 << 20
	c.Space = func(low bool, _ uint64) { space <- low }
	s := embedTest(t, c)
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
	text := strings.Repeat("x", 5000)
	publish := func(i int) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Bus().JS.Publish(ctx, "x", fmt.Appendf(nil, "%d %s", i, text))
		return err
	}
	var acked []int
	for i := range 500 {
		if err := publish(i); err != nil {
			t.Fatal(err)
		}
		acked = append(acked, i)
	}
	ballast := fillDisk(t, c.Dir)
	i := 500
	for ; i < 5000; i++ {
		if err := publish(i); err != nil {
			t.Logf("after %d records: %v", len(acked), err)
			break
		}
		acked = append(acked, i)
	}
	if !<-space || !s.Low() {
		t.Error("a full disk is not low on space")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if <-space || s.Low() {
		t.Error("a disk with space is low")
	}
	for tries := 0; ; tries++ {
		if err := publish(i); err == nil {
			acked = append(acked, i)
			break
		} else if tries == 60 {
			t.Fatalf("the server does not store again: %v", err)
		}
	}
	checkAcked(t, s.Bus(), acked)
}

func fillDisk(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 1<<16)
	for range 1 << 12 {
		if _, err := f.Write(chunk); err != nil {
			return path
		}
	}
	t.Fatal("the small disk is not small")
	return ""
}

// checkAcked wants every acknowledged record, in order. A record whose publisher
// got no answer may be there too.
func checkAcked(t *testing.T, b *Bus, acked []int) {
	t.Helper()
	for _, r := range backupRecords(t, b, "X") {
		var i int
		if _, err := fmt.Sscan(r.Data, &i); err != nil {
			t.Fatal(err)
		}
		if len(acked) > 0 && i == acked[0] {
			acked = acked[1:]
		}
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged records are lost, the first is %d", len(acked), acked[0])
	}
}

func TestASuspectedServerIsRestarted(t *testing.T) {
	s := embedTest(t, embedConfig(t, t.TempDir()))
	embedStream(t, s.Bus(), jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
	first := s.seat.Load()
	s.Suspect()
	first.WaitForShutdown()
	// What is under way at the restart may get no answer; what comes after it is stored.
	for tries := 0; ; tries++ {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := s.Bus().JS.Publish(ctx, "x", []byte("text"))
		cancel()
		if err == nil {
			break
		}
		if tries == 5 {
			t.Fatalf("publish after the restart: %v", err)
		}
	}
	if s.seat.Load() == first {
		t.Error("the server is the same")
	}
}

func TestRestartsKeepGrowingDistances(t *testing.T) {
	var pace restartPace
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var at []time.Duration
	for d := time.Duration(0); d < time.Hour; d += time.Second {
		if d < 2*time.Minute || d > 30*time.Minute { // it is stuck then
			if pace.due(start.Add(d)) {
				at = append(at, d)
			}
		}
	}
	want := []time.Duration{0, 5 * time.Second, 15 * time.Second, 35 * time.Second, 75 * time.Second}
	if !slices.Equal(at[:5], want) {
		t.Errorf("restarts at %v, want %v first", at[:5], want)
	}
	if again := 30*time.Minute + time.Second; !slices.Equal(at[5:7], []time.Duration{again, again + restartWait}) {
		t.Errorf("after a calm restarts at %v", at[5:7])
	}
	if last := at[len(at)-1] - at[len(at)-2]; last != restartMax {
		t.Errorf("the distance ends at %v, want %v", last, restartMax)
	}
}
