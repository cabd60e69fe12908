//go:build !unix

package main

import "os"

// resizeSignals tell that the terminal has another size: there are none.
var resizeSignals []os.Signal
