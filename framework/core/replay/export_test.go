package replay

import (
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/mesokit/mesokit/framework/core"
)

// Resum gives every line the checksum that it should have, so that fuzzing gets beyond it.
func Resum(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		_, body, _ := strings.Cut(line, " ")
		body = strings.TrimSuffix(body, "\n")
		fmt.Fprintf(&b, "%08x %s\n", crc32.Checksum([]byte(body), castagnoli), body)
	}
	return b.String()
}

// RoundTrip makes a recorded input of in, and an input of that.
func RoundTrip(in core.Input) (core.Input, error) {
	recorded, err := inputOf(in)
	if err != nil {
		return nil, err
	}
	return recorded.Input()
}
