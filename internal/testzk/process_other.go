//go:build unix && !linux

package testzk

import "os/exec"

// dieWithTest does nothing here: the server outlives a test that is killed.
func dieWithTest(*exec.Cmd) {}

// awaitStop does nothing here.
func awaitStop(int) {}
