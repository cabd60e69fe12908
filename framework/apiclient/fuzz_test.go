package apiclient

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func FuzzReadEvent(f *testing.F) {
	for _, seed := range []string{"data: x\n\n", ":\n\nid: 1\nevent: gap\ndata: a\ndata: b\n\n", "data\n\n", "event: x\r\ndata:y\r\n\r\n", "x", strings.Repeat("d", 5000) + "\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		for n := 0; ; n++ {
			e, err := readEvent(r, func() {})
			if err != nil {
				return
			}
			if e.data == nil {
				t.Error("an event without data")
			}
			if n > len(data) {
				t.Fatal("more events than bytes")
			}
		}
	})
}

func TestAnEventWithoutEndIsRefused(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("data: " + strings.Repeat("x", maxEvent+1)))
	if _, err := readEvent(r, func() {}); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("%v", err)
	}
}
