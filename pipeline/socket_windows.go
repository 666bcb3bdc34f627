package pipeline

import (
	"errors"
	"net"

	"golang.org/x/sys/windows"
)

// listenPrivate listens at path; who can connect follows from the access list
// of its directory.
func listenPrivate(path string) (net.Listener, error) {
	return net.Listen("unix", path)
}

func refused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
