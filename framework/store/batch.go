package store

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidateKey returns a *KeyError for a key that stores refuse: keys have 1 to MaxKey bytes of UTF-8 without control
// characters, and components, separated by slashes, that are neither empty nor "." nor "..".
func ValidateKey(key string) error {
	switch {
	case key == "":
		return &KeyError{Key: key, Reason: "is empty"}
	case len(key) > MaxKey:
		return &KeyError{Key: key, Reason: fmt.Sprintf("has %d bytes; at most %d are allowed", len(key), MaxKey)}
	case !utf8.ValidString(key):
		return &KeyError{Key: key, Reason: "is not UTF-8"}
	case strings.ContainsFunc(key, unicode.IsControl):
		return &KeyError{Key: key, Reason: "has a control character"}
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return &KeyError{Key: key, Reason: `has a component that is empty, "." or ".."`}
		}
	}
	return nil
}

// Plan is a batch in a form that is easy to do: for authors of backends.
type Plan struct {
	// Checks of the batch, all to be made against the state before it.
	Checks []Op
	// Writes of the batch, puts and deletes, one per key.
	Writes []Op
	// Bytes of all keys and values of Writes.
	Bytes int
}

// Plan validates the batch: *KeyError, *TooLargeError. It does not copy values.
func (b Batch) Plan() (Plan, error) {
	var p Plan
	last := make(map[string]int, len(b.Ops)) // key -> index in p.Writes
	for _, op := range b.Ops {
		if err := ValidateKey(op.Key); err != nil {
			return Plan{}, err
		}
		switch op.Kind {
		case OpCheck:
			p.Checks = append(p.Checks, op)
			continue
		case OpPut:
			if len(op.Value) > MaxValue {
				return Plan{}, &TooLargeError{Key: op.Key, Size: len(op.Value), Limit: MaxValue}
			}
		case OpDelete:
			op.Value = nil
		default:
			return Plan{}, fmt.Errorf("operation on %q has the unknown kind %d", op.Key, op.Kind)
		}
		if i, ok := last[op.Key]; ok {
			p.Bytes += len(op.Value) - len(p.Writes[i].Value)
			p.Writes[i] = op
			continue
		}
		last[op.Key] = len(p.Writes)
		p.Writes = append(p.Writes, op)
		p.Bytes += len(op.Key) + len(op.Value)
	}
	return p, nil
}

// Verify makes the checks; have returns the revision of a key, 0 if it does not exist. It returns a *ConflictError
// for the first check that fails.
func (p Plan) Verify(have func(key string) (Revision, error)) error {
	for _, c := range p.Checks {
		revision, err := have(c.Key)
		if err != nil {
			return err
		}
		if revision != c.Revision {
			return &ConflictError{Key: c.Key, Want: c.Revision, Have: revision}
		}
	}
	return nil
}

// NextFence returns the token that the store is to remember after a batch, or a *FencedError; highest is the greatest
// that it has seen.
func (b Batch) NextFence(highest Token) (Token, error) {
	switch {
	case b.ResetFence:
		return b.Fence, nil
	case b.RaiseFence:
		return highest + 1, nil
	case b.Fence == 0:
		return highest, nil
	case b.Fence < highest:
		return 0, &FencedError{Token: b.Fence, Highest: highest}
	}
	return b.Fence, nil
}
