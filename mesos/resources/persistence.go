package resources

import (
	"fmt"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// PersistenceIDError reports the id of a persistent volume that Mesos cannot have: it is the name of a directory.
type PersistenceIDError struct {
	ID     string
	Reason string
}

func (e *PersistenceIDError) Error() string {
	return fmt.Sprintf("persistence id %q %s", e.ID, e.Reason)
}

// maxPersistenceID is the greatest length of an id, in bytes.
const maxPersistenceID = 255

// ValidatePersistenceIDs checks the ids of the persistent volumes in a list: 1 to 255 bytes, not . or .., no control characters, / or \.
// The error is a *PersistenceIDError.
func ValidatePersistenceIDs(list []*mesospb.Resource) error {
	for _, r := range list {
		if r.GetDisk().GetPersistence() == nil {
			continue
		}
		id := r.GetDisk().GetPersistence().GetId()
		fail := func(reason string) error { return &PersistenceIDError{id, reason} }
		switch {
		case id == "":
			return fail("is empty")
		case len(id) > maxPersistenceID:
			return fail(fmt.Sprintf("is longer than %d bytes", maxPersistenceID))
		case id == "." || id == "..":
			return fail("is the name of another directory")
		case strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == 0x7f || c == '/' || c == '\\' }):
			return fail(`has a control character, "/" or "\"`)
		}
	}
	return nil
}
