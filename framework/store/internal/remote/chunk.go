package remote

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newID returns an identity of a commit and its intent. It begins with the time, so that intents nobody finished to write can be told by age.
func newID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%08x-%x", time.Now().Unix(), random)
}

// ChunkName returns the name of a chunk.
func ChunkName(id string, n int) string { return fmt.Sprintf("%s.%05d", id, n) }

// chunkAge returns the identity in the name of a chunk, and when it was made.
func chunkAge(name string) (id string, made time.Time, ok bool) {
	id, _, ok = strings.Cut(name, ".")
	seconds, _, ok2 := strings.Cut(id, "-")
	n, err := strconv.ParseInt(seconds, 16, 64)
	return id, time.Unix(n, 0), ok && ok2 && err == nil
}

// encodeChunk writes a line with the number of writes and a checksum of what follows, then for each write a line with the number of bytes of
// key and value (- for a deletion), the key and the value.
func encodeChunk(writes []Write) []byte {
	var body bytes.Buffer
	for _, w := range writes {
		size := strconv.Itoa(len(w.Data))
		if w.Delete {
			size = "-"
		}
		fmt.Fprintf(&body, "%d %s\n%s", len(w.Key), size, w.Key)
		body.Write(w.Data)
		body.WriteByte('\n')
	}
	head := fmt.Sprintf("%d %08x\n", len(writes), crc32.Checksum(body.Bytes(), castagnoli))
	return append([]byte(head), body.Bytes()...)
}

// decodeChunk reads what encodeChunk wrote.
func decodeChunk(name string, data []byte) ([]Write, error) {
	damaged := func(reason string) ([]Write, error) {
		return nil, Permanent(&store.CorruptError{Where: "intent " + name, Reason: reason})
	}
	head, body, _ := bytes.Cut(data, []byte{'\n'})
	countText, sumText, _ := strings.Cut(string(head), " ")
	count, err := strconv.Atoi(countText)
	sum, err2 := strconv.ParseUint(sumText, 16, 32)
	if err != nil || err2 != nil || count < 0 {
		return damaged("its first line is malformed")
	}
	if got := crc32.Checksum(body, castagnoli); uint64(got) != sum {
		return damaged(fmt.Sprintf("its checksum is %08x, it says %08x", got, sum))
	}
	var writes []Write
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte{'\n'})
		keyText, valueText, _ := strings.Cut(string(line), " ")
		keySize, err := strconv.Atoi(keyText)
		valueSize, w := 0, Write{Delete: valueText == "-"}
		var err2 error
		if !w.Delete {
			valueSize, err2 = strconv.Atoi(valueText)
		}
		if err != nil || err2 != nil || keySize < 1 || keySize > store.MaxKey || valueSize < 0 || valueSize > store.MaxValue || len(rest) < keySize+valueSize+1 {
			return damaged("a write is malformed")
		}
		w.Key = string(rest[:keySize])
		if !w.Delete {
			w.Data = rest[keySize : keySize+valueSize : keySize+valueSize]
		}
		if store.ValidateKey(w.Key) != nil || rest[keySize+valueSize] != '\n' {
			return damaged("a write is malformed")
		}
		writes, body = append(writes, w), rest[keySize+valueSize+1:]
	}
	if len(writes) != count {
		return damaged(fmt.Sprintf("it has %d writes and says %d", len(writes), count))
	}
	return writes, nil
}
