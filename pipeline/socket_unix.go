//go:build unix

package pipeline

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// listenPrivate listens at path, which only this user can ever connect to.
func listenPrivate(path string) (net.Listener, error) {
	defer unix.Umask(unix.Umask(0o177))
	return net.Listen("unix", path)
}

func refused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
