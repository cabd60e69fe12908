package election_test

import (
	"testing"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/election/electiontest"
)

func TestLocalConformance(t *testing.T) {
	electiontest.Run(t, func(*testing.T) electiontest.New {
		l := new(election.Local)
		return func(*testing.T) election.Elector { return l }
	})
}
