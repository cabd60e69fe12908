package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Migration turns the payload of one version of a record into that of the next version.
type Migration func(payload []byte) ([]byte, error)

// Schema seals the records of one kind: it adds a line with the kind, the version and a checksum, and takes it off again.
// The line is text; a payload in JSON stays readable wherever it is dumped:
//
//	mesokit task/3 5f3a9c01 57
//	{"id":"web.1","state":"TASK_RUNNING",…}
//
// The last number is the length of the payload in bytes; the one before is the CRC-32C of kind/version, a line feed and the
// payload. A Schema is a value; it may be used concurrently.
type Schema struct {
	// Kind of record: 1 to 64 lower-case letters, digits, dots and dashes.
	Kind string
	// Version that this release writes, from 1.
	Version int
	// Migrations by the version they start from. Open applies them one after the other.
	Migrations map[int]Migration
}

const envelopeMagic = "mesokit "

// maxHeader bounds the first line of an envelope.
const maxHeader = 128

// maxVersion bounds versions, so that they fit everywhere.
const maxVersion = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func envelopeSum(subject string, payload []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(subject+"\n"))
	return crc32.Update(sum, castagnoli, payload)
}

// Seal returns payload in its envelope.
func (s Schema) Seal(payload []byte) ([]byte, error) {
	if !validKind(s.Kind) || s.Version < 1 || s.Version > maxVersion {
		return nil, fmt.Errorf("schema %.70q of version %d: want lower-case letters, digits, dots and dashes, and a version from 1", s.Kind, s.Version)
	}
	subject := s.Kind + "/" + strconv.Itoa(s.Version)
	sealed := make([]byte, 0, len(envelopeMagic)+len(subject)+20+len(payload))
	sealed = fmt.Appendf(sealed, "%s%s %08x %d\n", envelopeMagic, subject, envelopeSum(subject, payload), len(payload))
	return append(sealed, payload...), nil
}

// Open returns the payload of the record, migrated to the current version. It returns a *CorruptError for what was not sealed as
// this kind or was damaged since, a *NewerVersionError for what a later release wrote, and the errors of migrations. The payload
// may share memory with the record.
func (s Schema) Open(r Record) ([]byte, error) {
	kind, version, payload, reason := parseEnvelope(r.Value)
	if reason == "" && kind != s.Kind {
		reason = fmt.Sprintf("it is a %s, not a %s", kind, s.Kind)
	}
	if reason != "" {
		return nil, &CorruptError{Where: fmt.Sprintf("record %q", r.Key), Reason: reason}
	}
	if version > s.Version {
		return nil, &NewerVersionError{Where: fmt.Sprintf("record %q", r.Key), Kind: kind, Version: version, Supported: s.Version}
	}
	for ; version < s.Version; version++ {
		migrate := s.Migrations[version]
		if migrate == nil {
			return nil, fmt.Errorf("record %q: %s of version %d is too old: no migration to version %d; run an earlier release first", r.Key, kind, version, version+1)
		}
		var err error
		if payload, err = migrate(payload); err != nil {
			return nil, fmt.Errorf("record %q: migrate %s from version %d to %d: %w", r.Key, kind, version, version+1, err)
		}
	}
	return payload, nil
}

// Encode seals v in JSON.
func (s Schema) Encode(v any) ([]byte, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Kind, err)
	}
	return s.Seal(payload)
}

// Decode opens the record and decodes its JSON into v. What is no JSON for v is a *CorruptError.
func (s Schema) Decode(r Record, v any) error {
	payload, err := s.Open(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return &CorruptError{Where: fmt.Sprintf("record %q", r.Key), Reason: err.Error()}
	}
	return nil
}

// parseEnvelope takes an envelope apart, or says what is wrong with it.
func parseEnvelope(value []byte) (kind string, version int, payload []byte, reason string) {
	end := bytes.IndexByte(value[:min(len(value), maxHeader)], '\n')
	if end < 0 || !bytes.HasPrefix(value, []byte(envelopeMagic)) {
		return "", 0, nil, "it does not begin with the line of a record"
	}
	fields := strings.Split(string(value[len(envelopeMagic):end]), " ")
	if len(fields) != 3 {
		return "", 0, nil, "its first line is malformed"
	}
	kind, versionText, _ := strings.Cut(fields[0], "/")
	version, ok := canonicalInt(versionText)
	size, ok2 := canonicalInt(fields[2])
	if !validKind(kind) || !ok || version < 1 || !ok2 {
		return "", 0, nil, "its first line is malformed"
	}
	payload = value[end+1:]
	if len(payload) != size {
		return "", 0, nil, fmt.Sprintf("it has %d bytes, its first line says %d", len(payload), size)
	}
	if sum := fmt.Sprintf("%08x", envelopeSum(fields[0], payload)); sum != fields[1] {
		return "", 0, nil, fmt.Sprintf("its checksum is %s, its first line says %q", sum, fields[1])
	}
	return kind, version, payload, ""
}

// canonicalInt parses what strconv.Itoa writes for 0 to maxVersion.
func canonicalInt(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n <= maxVersion && strconv.Itoa(n) == text
}

func validKind(kind string) bool {
	if kind == "" || len(kind) > 64 {
		return false
	}
	for _, c := range []byte(kind) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
