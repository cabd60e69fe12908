// Package recordio reads and writes RecordIO, the framing of every Mesos event stream: the length
// of a record in ASCII decimal, one newline, and exactly that many bytes, without a trailer.
//
// It is for whoever holds the body of a streaming response or request:
//
//	frames := recordio.NewReader(response.Body, recordio.Config{})
//	for {
//		frame, err := frames.Next()
//		if err == io.EOF {
//			break // the peer ended the stream between two records
//		}
//		...
//	}
//
// A stream that breaks the format, or ends anywhere but between two records, is an *Error that says
// where and what to do about it; errors.Is tells the cases apart (ErrNotNumber and so on). What the
// underlying reader reports passes through, so errors.Is(err, context.Canceled) works as well.
//
// The format is that of section "RecordIO" of the Mesos v1 HTTP API: a length of 0 is a legal, empty
// record (Mesos never sends one); anything but digits before the newline is fatal, because there is
// no way to find the next record.
package recordio

import "strconv"

// DefaultMaxFrame is the largest frame, in bytes, that a Reader takes unless told otherwise.
const DefaultMaxFrame = 64 << 20

// MaxLengthLine is the most bytes that the line with the length may have, without its newline. It
// admits every 64-bit number.
const MaxLengthLine = 20

// AppendFrame appends the frame that holds body to dst.
func AppendFrame(dst, body []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, '\n')
	return append(dst, body...)
}
