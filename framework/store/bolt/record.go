package bolt

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"

	"github.com/mesokit/mesokit/framework/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns what the file has for a record: a line with its revision and a checksum of revision, key and value, then the value.
func encode(r store.Record) []byte {
	out := make([]byte, 0, 32+len(r.Value))
	out = strconv.AppendInt(out, int64(r.Revision), 10)
	sum := checksum(out, r)
	out = fmt.Appendf(out, " %08x\n", sum)
	return append(out, r.Value...)
}

func checksum(revision []byte, r store.Record) uint32 {
	sum := crc32.Update(0, castagnoli, revision)
	sum = crc32.Update(sum, castagnoli, []byte("\n"+r.Key+"\n"))
	return crc32.Update(sum, castagnoli, r.Value)
}

// decode reads what encode wrote; the value shares memory with data. A *store.CorruptError says what is wrong.
func decode(key string, data []byte) (store.Record, error) {
	damaged := func(reason string) (store.Record, error) {
		return store.Record{}, &store.CorruptError{Where: fmt.Sprintf("record %q", key), Reason: reason}
	}
	head, value, ok := bytes.Cut(data, []byte{'\n'})
	revisionText, sumText, ok2 := bytes.Cut(head, []byte{' '})
	if !ok || !ok2 || len(head) > 40 {
		return damaged("it has no line with its revision")
	}
	revision, err := strconv.ParseInt(string(revisionText), 10, 64)
	sum, err2 := strconv.ParseUint(string(sumText), 16, 32)
	if err != nil || err2 != nil || revision <= 0 {
		return damaged("the line with its revision is malformed")
	}
	r := store.Record{Key: key, Value: value, Revision: store.Revision(revision)}
	if got := checksum(revisionText, r); uint64(got) != sum {
		return damaged(fmt.Sprintf("its checksum is %08x, it says %08x", got, sum))
	}
	return r, nil
}
