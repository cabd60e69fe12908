package operator_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/client/operator"
)

func TestTheCauseOfAMasterNotFoundIsInTheError(t *testing.T) {
	m, err := operator.NewMaster(operator.MasterConfig{Masters: "zk://127.0.0.1:1/mesos"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = m.GetAgents(ctx)
	if !errors.Is(err, operator.ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no connection to ZooKeeper at 127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}
