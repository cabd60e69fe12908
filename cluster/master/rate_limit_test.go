package master

import (
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func ofPrincipal(name string) *mesospb.FrameworkInfo {
	info := frameworkInfo()
	info.Principal = &name
	return info
}

func request() *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_REQUEST.Enum(), Request: &schedulerpb.Call_Request{}}
}

func TestCallsAboveTheRateLimitWait(t *testing.T) {
	for name, tc := range map[string]struct {
		limits     *mesospb.RateLimits
		principals []string
		calls      int // of each
		took       time.Duration
	}{
		"of the principal":         {limitsOf("p", 2), []string{"p"}, 5, 2 * time.Second},
		"shared by its frameworks": {limitsOf("p", 2), []string{"p", "p"}, 3, 2500 * time.Millisecond},
		"not of others":            {limitsOf("p", 2), []string{"q"}, 50, 0},
		"listed without a limit":   {&mesospb.RateLimits{Limits: []*mesospb.RateLimit{{Principal: proto.String("p")}}, AggregateDefaultQps: proto.Float64(1)}, []string{"p"}, 50, 0},
		"shared by default":        {&mesospb.RateLimits{AggregateDefaultQps: proto.Float64(0.5)}, []string{"p", ""}, 2, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{RateLimits: tc.limits})
				began := time.Now()
				var calls sync.WaitGroup
				for _, p := range tc.principals {
					info := ofPrincipal(p)
					if p == "" {
						info.Principal = nil
					}
					f := w.subscribe(info)
					for range tc.calls {
						calls.Go(func() { f.call(request()) })
					}
				}
				calls.Wait()
				if took := time.Since(began); took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
			})
		})
	}
}

func limitsOf(principal string, qps float64, capacity ...uint64) *mesospb.RateLimits {
	l := &mesospb.RateLimit{Principal: &principal, Qps: &qps}
	for _, c := range capacity {
		l.Capacity = &c
	}
	return &mesospb.RateLimits{Limits: []*mesospb.RateLimit{l}}
}

func TestCallsAboveTheCapacityAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{RateLimits: limitsOf("p", 1, 2)})
		info := ofPrincipal("p")
		info.FailoverTimeout = proto.Float64(60)
		f := w.subscribe(info)
		var calls sync.WaitGroup
		for range 3 { // one passes, two wait
			calls.Go(func() {
				if status, text := f.try(request()); status != 202 && status != 403 { // it is not subscribed any more in the end
					t.Errorf("%d %s", status, text)
				}
			})
		}
		synctest.Wait()
		if status, text := f.try(request()); status != 429 || text != "Message REQUEST dropped: capacity(2) exceeded" {
			t.Errorf("%d %s", status, text)
		}
		if e := f.expect(schedulerpb.Event_ERROR); !strings.Contains(e.GetError().GetMessage(), "capacity(2) exceeded") {
			t.Errorf("got %v", e)
		}
		f.ended()
		if n := w.getJSON("/metrics/snapshot")["master/dropped_messages"]; n != 1.0 {
			t.Errorf("%v messages dropped, by the metrics", n)
		}
		calls.Wait()
		info.Id = &mesospb.FrameworkID{Value: &f.id}
		g := w.subscribe(info) // which is not limited
		time.Sleep(time.Minute)
		g.call(request())
	})
}

func TestRateLimitsAreChecked(t *testing.T) {
	twice := limitsOf("p", 1)
	twice.Limits = append(twice.Limits, twice.Limits[0])
	for want, limits := range map[string]*mesospb.RateLimits{
		`principal "p" twice`: twice,
		"qps is 0":            limitsOf("p", 0),
		"by default: qps":     {AggregateDefaultQps: proto.Float64(-1)},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{Listener: l, RateLimits: limits}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", limits, err, want)
		}
		l.Close()
	}
}
