//go:build unix && !linux

package storetest

import "syscall"

func parentDeath() *syscall.SysProcAttr { return nil }
