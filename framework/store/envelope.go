package store

// Migration turns the payload of one version of a record into that of the next version.
type Migration func(payload []byte) ([]byte, error)

// Schema seals the records of one kind: it adds a line with the kind, the version and a checksum, and takes it off again.
// The line is text; a payload in JSON stays readable wherever it is dumped:
//
//	mesokit task/3 5f3a9c01 57
//	{"id":"web.1","state":"TASK_RUNNING",…}
//
// The last number is the length of the payload in bytes, the one before its CRC-32C. A Schema is a value; it may be used concurrently.
type Schema struct {
	// Kind of record: letters, digits, dots and dashes.
	Kind string
	// Version that this release writes, from 1.
	Version int
	// Migrations by the version they start from. Open applies them one after the other.
	Migrations map[int]Migration
}
