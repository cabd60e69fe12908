package core

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheTableIsTotal(t *testing.T) {
	for s := range numStates {
		for e := range numEvents {
			tr := Next(s, e)
			// A cell that is missing reads as one that leads to Launching without effect, of which there is one.
			if tr == (Transition{}) && !(s == Launching && e == Despair) {
				t.Errorf("%v × %v has no cell", s, e)
			}
			if tr.To >= numStates {
				t.Errorf("%v × %v leads nowhere", s, e)
			}
		}
	}
}

func TestTheTableKeepsItsRules(t *testing.T) {
	for s := range numStates {
		for e := range numEvents {
			tr := Next(s, e)
			at := fmt.Sprintf("%v × %v -> %v (%v)", s, e, tr.To, tr.Does)
			free := tr.Does&Free != 0
			switch {
			case s == Ended && tr != Transition{To: Ended}:
				t.Errorf("%s: what has ended stays so", at)
			case free && !tr.To.Over():
				t.Errorf("%s: an instance is freed from a task that may run", at)
			case tr.To.Over() && !s.Over() && !free:
				t.Errorf("%s: an instance is not freed from a task that is over", at)
			case s == Killing && tr.To != Killing && tr.To != Stranded && !tr.To.Over(),
				s == Stranded && tr.To != Killing && tr.To != Stranded && !tr.To.Over():
				t.Errorf("%s: a task that has to go is wanted again", at)
			case tr.Does&Detach != 0 && e != Despair:
				t.Errorf("%s: only the policy gives up on a task", at)
			case e == SawUnreachable && tr.To.Over() && !s.Over(), e == SawUnknown && tr.To.Over() && s != Launching && !s.Over():
				t.Errorf("%s: nobody knows whether it runs", at)
			case e == WantKill && !s.Over() && !(tr.To == Killing || tr.To == Stranded):
				t.Errorf("%s: a kill is ignored", at)
			case tr.Does&Wait != 0 && tr.To != Unreachable && tr.To != Stranded:
				t.Errorf("%s: waits for an agent that is there", at)
			}
		}
	}
}

// TestTheDocumentationShowsTheTable: UPDATE=1 writes it.
func TestTheDocumentationShowsTheTable(t *testing.T) {
	const page, begin, end = "../../docs/applications.md", "<!-- table: written by the tests of framework/core -->\n", "<!-- end of table -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, okEnd := strings.Cut(rest, end)
	if !ok || !okEnd {
		t.Fatalf("%s has no place for the table", page)
	}
	want := TableText()
	if n := strings.Count(want, "\n"); n != int(numEvents)+2 {
		t.Errorf("%d lines", n)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o666); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s is not what the table says (-want +got); UPDATE=1 go test writes it\n%s", page, d)
	}
}
