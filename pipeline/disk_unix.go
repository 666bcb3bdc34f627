//go:build unix

package pipeline

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free is the number of bytes that this process may still write to the file
// system of dir.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("read free space of %s: %w", dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil // Bavail is signed on some systems
}
