//go:build !linux

package bolt_test

func fullDiskChild() {}
