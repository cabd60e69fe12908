//go:build !linux

package fetcher

import "os"

// settle has nothing to wait for where a file that is open for writing can be executed, or where there
// is no way to tell.
func settle(*os.Root, string) {}
