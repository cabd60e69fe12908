package master

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// SUBSCRIBE (docs/behaviour.md#transport, #scheduler-calls, #scheduler-events):
//
//   - framework_id and framework_info.id must be equal; Mesos-Stream-Id must not be there: 400.
//   - What is wrong with the framework itself is an ERROR event on a 200 stream, which then ends.
//   - The stream starts with SUBSCRIBED and HEARTBEAT; HEARTBEAT follows every HeartbeatInterval whatever else is sent.
//   - A framework without id gets one. An id that nobody knows is taken as it is, as after a failover of the master. The id of
//     a framework that was removed is refused.
//   - A framework that is connected already is superseded: its old stream gets ERROR "Framework failed over" and ends, its
//     offers are taken back without RESCIND, filters stay. Info, suppressed roles and constraints
//     are those of the new call, but user and checkpoint stay what they were.

func checkSubscribe(c *schedulerpb.Call) error {
	if c.Subscribe == nil {
		return wireError("Expecting 'subscribe' to be present")
	}
	if c.GetFrameworkId().GetValue() != c.Subscribe.GetFrameworkInfo().GetId().GetValue() {
		return wireError("'framework_id' differs from 'subscribe.framework_info.id'")
	}
	return nil
}

// serveSubscribe opens the event stream and writes it until it ends.
func (m *Master) serveSubscribe(w http.ResponseWriter, r *http.Request, c *schedulerpb.Call, cd codec.Codec) {
	if len(r.Header["Mesos-Stream-Id"]) > 0 {
		httpapi.Error(w, http.StatusBadRequest, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
		return
	}
	stream := httpapi.NewStream(cd)
	var f *framework
	var id, streamID string
	err := m.doLeading(r.Context(), func() {
		streamID = m.newUUID().String()
		if f = m.subscribe(c.GetSubscribe(), stream, streamID); f != nil {
			id = f.id
		}
	})
	if err != nil {
		// The subscription may still happen; nobody would ever serve the stream.
		m.loop.Post(func() {
			if f != nil {
				m.disconnect(f, stream)
			}
		})
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
		return
	}
	w.Header().Set("Mesos-Stream-Id", streamID)
	stream.ServeAs(r.Context(), w, httpapi.StreamInfo{API: "scheduler", Framework: id, Name: c.GetSubscribe().GetFrameworkInfo().GetName()})
	if f != nil {
		m.loop.Enter("end of "+streamID, func() { m.disconnect(f, stream) })
	}
}

// subscribe makes the stream that of a framework. It returns nil if the stream only says why not.
func (m *Master) subscribe(s *schedulerpb.Call_Subscribe, stream *httpapi.Stream, streamID string) *framework {
	info := s.GetFrameworkInfo()
	var compiled *allocator.Constraints
	err := m.validateFramework(info)
	if err == nil {
		compiled, err = validateOfferWishes(info, s.GetSuppressedRoles(), s.GetOfferConstraints())
	}
	if err == nil {
		err = m.authorizeFramework(info)
	}
	id := info.GetId().GetValue()
	f := m.frameworks[id]
	if err == nil && f != nil && f.info.GetPrincipal() != info.GetPrincipal() {
		err = wireError("Changing framework's principal is not allowed.")
	}
	if err != nil {
		m.log.Info("framework refused", "framework", id, "name", info.GetName(), "error", err)
		stream.Send(errorEvent(err.Error()))
		stream.Close()
		return nil
	}
	// A MULTI_ROLE framework must have no role for good; others get theirs made explicit by GetRole.
	if f == nil {
		f = m.addFramework(info, s, compiled)
	} else {
		m.resubscribe(f, info, s, compiled)
	}
	f.stream, f.streamID, f.connected, f.recovered, f.active = stream, streamID, true, false, true
	f.counts.call(schedulerpb.Call_SUBSCRIBE)
	f.send(&schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkId:              &mesospb.FrameworkID{Value: &f.id},
		HeartbeatIntervalSeconds: proto.Float64(m.cfg.HeartbeatInterval.Seconds()),
		MasterInfo:               m.Info(),
	}})
	m.beat(f, stream)
	m.adoptOrphans()
	m.alloc.SetFrameworkActive(f.id, true)
	m.allocateSoon()
	return f
}

// beat sends a HEARTBEAT now and then regularly.
func (m *Master) beat(f *framework, stream *httpapi.Stream) {
	if f.stream != stream {
		return
	}
	f.send(heartbeatEvent)
	f.heartbeat = m.loop.After(m.cfg.HeartbeatInterval, func() { m.beat(f, stream) })
}

// addFramework makes a new framework.
func (m *Master) addFramework(info *mesospb.FrameworkInfo, s *schedulerpb.Call_Subscribe, compiled *allocator.Constraints) *framework {
	info = proto.CloneOf(info)
	if info.GetId().GetValue() == "" {
		info.Id = &mesospb.FrameworkID{Value: proto.String(fmt.Sprintf("%s-%04d", m.Info().GetId(), m.nextID.framework))}
		m.nextID.framework++
	}
	f := newFramework(info.GetId().GetValue())
	f.describe(info, s.GetSuppressedRoles(), s.GetOfferConstraints(), compiled)
	f.registered = time.Now()
	f.reregistered = f.registered
	m.frameworks[f.id] = f
	m.alloc.AddFramework(f.id, f.forAllocator())
	m.log.Info("framework subscribed", "framework", f.id, "name", info.GetName())
	f.active, f.connected = true, false
	m.publishFrameworkAdded(f)
	return f
}

// resubscribe gives an existing framework a new stream.
func (m *Master) resubscribe(f *framework, info *mesospb.FrameworkInfo, s *schedulerpb.Call_Subscribe, compiled *allocator.Constraints) {
	m.log.Info("framework resubscribed", "framework", f.id, "name", info.GetName(), "superseded", f.connected)
	f.failover.Stop()
	f.heartbeat.Stop()
	if f.connected {
		f.send(errorEvent("Framework failed over"))
		f.stream.Close()
		m.discardOffers(f)
	}
	info = proto.CloneOf(info)
	if !f.recovered {
		info.User, info.Checkpoint = f.info.User, f.info.Checkpoint
	}
	m.changeFramework(f, info, s.GetSuppressedRoles(), s.GetOfferConstraints(), compiled)
	f.reregistered = time.Now()
	m.publishFrameworkUpdated(f)
}

// changeFramework replaces the description of a framework. Offers for roles that it has left are rescinded; agents
// where it has something are told.
func (m *Master) changeFramework(f *framework, info *mesospb.FrameworkInfo, suppressed []string, oc *schedulerpb.OfferConstraints, compiled *allocator.Constraints) {
	f.describe(info, suppressed, oc, compiled)
	m.alloc.UpdateFramework(f.id, f.forAllocator())
	for _, id := range sortedKeys(f.offers) {
		if o := f.offers[id]; !slices.Contains(f.roles, o.role) {
			m.rescind(o, nil)
		}
	}
	for _, id := range sortedKeys(m.agents) {
		if a := m.agents[id]; len(a.tasks[f.id]) > 0 || len(a.executors[f.id]) > 0 {
			a.send(link.UpdateFramework{Framework: f.info})
		}
	}
}
