//go:build !linux

package fetcher

import (
	"archive/tar"
	"fmt"
)

// node makes nothing here.
func (x *extraction) node(_ header, h *tar.Header) error {
	return fmt.Errorf("entry %q is of type %q, which cannot be made on this system", h.Name, h.Typeflag)
}

// setLinkTimes leaves the times of a symbolic link.
func (x *extraction) setLinkTimes(header) error { return nil }
