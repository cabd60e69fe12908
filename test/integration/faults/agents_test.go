package faults

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesokit/mesokit/cluster"
)

// long is a world whose tasks run for two hours.
var long = config{tasks: 1, taskTime: 2 * time.Hour}

// seconds since a moment, to the second.
func seconds(since time.Time) int { return int(time.Since(since).Round(time.Second).Seconds()) }

func TestAPartitionMakesAnAgentUnreachableAndHealingBringsItBack(t *testing.T) {
	inWorld(t, long, func(w *world) {
		at := w.batch.says(0, "t1 TASK_RUNNING")
		a := w.batch.where("t1")
		began := time.Now()
		a.Partition()
		at = w.batch.says(at, "t1 TASK_UNREACHABLE REASON_AGENT_REMOVED health check timed out", "lost "+a.ID)
		if n := seconds(began); n < 75 || n > 92 { // five pings of 15 s, and what had gone of the first
			w.Errorf("the agent was given up after %d s", n)
		}
		if s := a.State(); s != cluster.AgentPartitioned {
			w.Errorf("state %s", s)
		}
		time.Sleep(time.Hour)
		a.Heal()
		w.batch.says(at, "t1 TASK_RUNNING REASON_AGENT_REREGISTERED Unreachable agent re-reregistered")
		if s := a.State(); s != cluster.AgentRunning {
			w.Errorf("state %s", s)
		}
		w.batch.await(3 * time.Hour)
	})
}

func TestAShortPartitionIsNotNoticed(t *testing.T) {
	inWorld(t, config{tasks: 6}, func(w *world) {
		time.Sleep(time.Second)
		for range 5 {
			for _, a := range w.Agents() {
				a.Partition()
			}
			time.Sleep(40 * time.Second)
			for _, a := range w.Agents() {
				a.Heal()
			}
			time.Sleep(20 * time.Second)
		}
		w.batch.await(time.Minute)
		if n := len(w.batch.log); n > 1+3*6 {
			w.Errorf("the framework was told more than it needs to know:\n%q", w.batch.log)
		}
	})
}

func TestAKilledAgentIsMissedAfterTheConfiguredPings(t *testing.T) {
	cfg := long
	cfg.change = func(c *cluster.Config) { c.AgentPingInterval, c.AgentPingMisses = time.Second, 3 }
	inWorld(t, cfg, func(w *world) {
		at := w.batch.says(0, "t1 TASK_RUNNING")
		a := w.batch.where("t1")
		began := time.Now()
		if err := a.Kill(); err != nil {
			w.Error(err)
		}
		w.batch.says(at, "t1 TASK_UNREACHABLE REASON_AGENT_REMOVED", "lost "+a.ID)
		if n := seconds(began); n < 3 || n > 5 {
			w.Errorf("the agent was given up after %d s", n)
		}
		if left := w.Agents(); len(left) != 1 || left[0] == a || a.State() != cluster.AgentEnded {
			w.Errorf("left: %v, state %s", left, a.State())
		}
	})
}

func TestAStoppedAgentSaysGoodbye(t *testing.T) {
	inWorld(t, long, func(w *world) {
		at := w.batch.says(0, "t1 TASK_RUNNING")
		a := w.batch.where("t1")
		began := time.Now()
		if err := a.Stop(); err != nil {
			w.Error(err)
		}
		w.batch.says(at, "t1 TASK_LOST REASON_AGENT_REMOVED", "lost "+a.ID)
		if n := seconds(began); n > 1 {
			w.Errorf("the framework was told after %d s", n)
		}
	})
}

func TestARestartedAgentKeepsItsTasks(t *testing.T) {
	inWorld(t, config{tasks: 1, taskTime: time.Minute}, func(w *world) {
		at := w.batch.says(0, "t1 TASK_RUNNING")
		a := w.batch.where("t1")
		if err := a.Suspend(w.Context()); err != nil {
			w.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if err := a.Resume(w.Context()); err != nil {
			w.Fatal(err)
		}
		w.batch.says(at, "t1 TASK_FINISHED")
		w.batch.await(time.Minute)
	})
}

func TestAgentsComeAndGoWhileTasksRun(t *testing.T) {
	inWorld(t, config{tasks: 60, taskTime: 20 * time.Second, replace: true}, func(w *world) {
		for i := range 10 {
			a, err := w.AddAgent(w.Context(), w.agent)
			if err != nil {
				w.Fatal(err)
			}
			time.Sleep(time.Duration(i) * 3 * time.Second)
			if err := []func() error{a.Kill, a.Stop, func() error { return a.Restart(context.Background()) }}[i%3](); err != nil {
				w.Error(err)
			}
		}
		w.batch.await(time.Hour)
	})
}

// A lost REVIVE leaves a suppressed framework without offers, until it asks again.
func TestALostRevive(t *testing.T) {
	inWorld(t, config{tasks: 4}, func(w *world) {
		ctx := w.Context()
		w.batch.says(0, "connected")
		id := w.fault("call lose type=REVIVE framework=batch count=1")
		w.fault("call lose type=ACCEPT count=2 id=accepts") // so that nothing runs before
		if err := w.batch.session.Suppress(ctx); err != nil {
			w.Fatal(err)
		}
		if err := w.batch.session.Revive(ctx); err != nil {
			w.Fatal(err)
		}
		if err := w.Faults().Wait(ctx, id, 1); err != nil {
			w.Fatal(err)
		}
		_ = w.batch.session.Post("give offers back")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.batch.mu.Lock()
		before := len(w.batch.offers)
		w.batch.mu.Unlock()
		time.Sleep(time.Hour)
		w.batch.mu.Lock()
		if got := len(w.batch.offers); got != before {
			w.Errorf("%d offers came to a suppressed framework", got-before)
		}
		w.batch.mu.Unlock()
		if err := w.batch.session.Revive(ctx); err != nil {
			w.Fatal(err)
		}
		w.batch.await(time.Hour)
	})
}

// Whoever waits because of a fault is let go when the cluster ends: otherwise this test would never return.
func TestAClusterClosesWhileFaultsHoldItsClients(t *testing.T) {
	inWorld(t, config{tasks: 4}, func(w *world) {
		w.batch.says(0, "t1 TASK_STARTING")
		w.fault("update delay time=1h")
		w.fault("update reorder window=100 time=1h")
		w.fault("event stall")
		hang := w.fault("call hang path=/health")
		w.Agents()[0].Partition()
		tr := &http.Transport{DialContext: w.network.DialContext}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if resp, err := (&http.Client{Transport: tr}).Get("http://" + w.Master() + "/health"); err == nil {
				resp.Body.Close()
				w.Errorf("a call that hangs was answered %s", resp.Status)
			}
		}()
		if err := w.Faults().Wait(w.Context(), hang, 1); err != nil {
			w.Fatal(err)
		}
		time.Sleep(time.Minute)
		began := time.Now()
		if err := w.Close(); err != nil {
			w.Error(err)
		}
		<-gone
		if d := time.Since(began); d > time.Second {
			w.Errorf("closing took %v", d)
		}
	})
}
