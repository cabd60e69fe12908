package detector

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// Fixed returns a detector of masters whose base URLs never change.
func Fixed(urls ...string) Detector { return fixed(slices.Clone(urls)) }

type fixed []string

func (f fixed) Watch(ctx context.Context) iter.Seq2[Masters, error] {
	return func(yield func(Masters, error) bool) {
		if ctx.Err() == nil && yield(Masters{Candidates: slices.Clone(f)}, nil) {
			<-ctx.Done()
		}
	}
}

func (f fixed) String() string { return strings.Join(f, ",") }
