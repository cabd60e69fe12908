package fetcher

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// settle waits until a program that was written and closed can be executed. A process that is being
// started has, until it executes its own program, all files of this one open; if one of them is open for
// writing, executing it meanwhile fails with "text file busy". The kernel grants a read lease only
// on a file that nobody has open for writing, which is what is to be known. Where there are no leases,
// or after a second, settle gives up: the wait is worth much less than the task.
func settle(root *os.Root, name string) {
	file, err := root.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	for wait := 50 * time.Microsecond; wait < time.Second/2; wait *= 2 {
		_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
		if err == nil {
			_, _ = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
			return
		}
		if !errors.Is(err, unix.EAGAIN) {
			return
		}
		time.Sleep(wait)
	}
}
