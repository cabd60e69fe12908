package master

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/allocatorpb"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Maintenance (docs/behaviour.md#operator-api): a machine is UP; DRAINING while a schedule lists it; DOWN from START_MAINTENANCE to
// STOP_MAINTENANCE, which makes it UP and drops it from the schedule.
//
//   - DRAINING: agents run on; offers of them say when they will be unavailable; frameworks that have something there, or are
//     offered it, get inverse offers. Offers that were out are rescinded.
//   - DOWN: agents are shut down and removed, and may not return.
//   - A schedule has windows that are not empty, each machine once, no negative duration, and all machines that are DOWN.
//
// Inverse offers are answered by ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS: the status is remembered, the offer is gone, and no other one
// comes before the filter is over.

// machineKey is a machine: the hostname and address that its agents advertise.
type machineKey struct{ hostname, ip string }

// machine is a machine that is not simply UP.
type machine struct {
	id             *mesospb.MachineID
	mode           mesospb.MachineInfo_Mode
	unavailability *mesospb.Unavailability
	statuses       map[string]*allocatorpb.InverseOfferStatus // by framework
}

type maintenanceSchedule = maintenancepb.Schedule

func keyOf(id *mesospb.MachineID) machineKey {
	return machineKey{strings.ToLower(id.GetHostname()), id.GetIp()}
}

func (k machineKey) lower() machineKey { return machineKey{strings.ToLower(k.hostname), k.ip} }

// inverseOffer asks a framework to leave an agent.
type inverseOffer struct {
	id        string
	framework *framework
	agent     *agent
	pb        *mesospb.InverseOffer
}

// machineOf returns the machine of an agent, nil if it is UP.
func (m *Master) machineOf(a *agent) *machine { return m.machines[a.machine.lower()] }

// machineIsDown reports whether agents of this description must stay away.
func (m *Master) machineIsDown(d link.Description) bool {
	host, _, _ := net.SplitHostPort(d.Address)
	mc := m.machines[machineKey{d.Info.GetHostname(), host}.lower()]
	return mc != nil && mc.mode == mesospb.MachineInfo_DOWN
}

// unavailability returns when the agent will not be there, nil if nothing is planned.
func (m *Master) unavailability(a *agent) *mesospb.Unavailability {
	if mc := m.machineOf(a); mc != nil {
		return mc.unavailability
	}
	return nil
}

// offerInversely makes the inverse offers that are due.
func (m *Master) offerInversely() {
	if len(m.machines) == 0 {
		return
	}
	now := time.Now()
	made := map[string][]*mesospb.InverseOffer{}
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		u := m.unavailability(a)
		if u == nil {
			continue
		}
		for _, fid := range sortedKeys(m.frameworks) {
			f := m.frameworks[fid]
			concerned := a.used[fid] != nil || len(a.offersWith(func(o *offer) bool { return o.framework == f })) > 0
			if !concerned || !f.active || a.inverse[fid] != nil || a.refused[fid].After(now) {
				continue
			}
			made[fid] = append(made[fid], m.makeInverseOffer(f, a, u).pb)
		}
	}
	for _, fid := range sortedKeys(made) {
		m.frameworks[fid].send(&schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS.Enum(), InverseOffers: &schedulerpb.Event_InverseOffers{
			InverseOffers: made[fid],
		}})
	}
}

func (m *Master) makeInverseOffer(f *framework, a *agent, u *mesospb.Unavailability) *inverseOffer {
	o := &inverseOffer{id: m.newOfferID(), framework: f, agent: a}
	o.pb = &mesospb.InverseOffer{
		Id: &mesospb.OfferID{Value: &o.id}, Url: a.url, FrameworkId: &mesospb.FrameworkID{Value: &f.id}, AgentId: a.info.Id, Unavailability: u,
	}
	m.inverseOffers[o.id], f.inverseOffers[o.id], a.inverse[f.id] = o, o, o
	return o
}

func (m *Master) removeInverseOffer(o *inverseOffer) {
	delete(m.inverseOffers, o.id)
	delete(o.framework.inverseOffers, o.id)
	delete(o.agent.inverse, o.framework.id)
}

func (m *Master) rescindInverse(o *inverseOffer) {
	m.removeInverseOffer(o)
	o.framework.send(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER.Enum(),
		RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{InverseOfferId: o.pb.Id}})
}

func (m *Master) callAcceptInverseOffers(f *framework, c *schedulerpb.Call) answer {
	k := c.GetAcceptInverseOffers()
	m.answerInverse(f, k.GetInverseOfferIds(), allocatorpb.InverseOfferStatus_ACCEPT, k.GetFilters())
	return accepted
}

func (m *Master) callDeclineInverseOffers(f *framework, c *schedulerpb.Call) answer {
	k := c.GetDeclineInverseOffers()
	m.answerInverse(f, k.GetInverseOfferIds(), allocatorpb.InverseOfferStatus_DECLINE, k.GetFilters())
	return accepted
}

func (m *Master) answerInverse(f *framework, ids []*mesospb.OfferID, status allocatorpb.InverseOfferStatus_Status, filters *mesospb.Filters) {
	for _, id := range ids {
		o := m.inverseOffers[id.GetValue()]
		if o == nil || o.framework != f {
			continue
		}
		if mc := m.machineOf(o.agent); mc != nil {
			mc.statuses[f.id] = &allocatorpb.InverseOfferStatus{
				Status: status.Enum(), FrameworkId: &mesospb.FrameworkID{Value: &f.id}, Timestamp: timeInfo(time.Now()),
			}
		}
		if filter := m.filter(filters); filter != nil {
			o.agent.refused[f.id] = filter.Expires
		}
		m.removeInverseOffer(o)
	}
}

func (m *Master) opGetMaintenanceSchedule() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_MAINTENANCE_SCHEDULE.Enum(),
		GetMaintenanceSchedule: &masterpb.Response_GetMaintenanceSchedule{Schedule: m.currentSchedule()}}
}

func (m *Master) currentSchedule() *maintenancepb.Schedule {
	if m.schedule == nil {
		return &maintenancepb.Schedule{}
	}
	return m.schedule
}

func (m *Master) opGetMaintenanceStatus() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_MAINTENANCE_STATUS.Enum(),
		GetMaintenanceStatus: &masterpb.Response_GetMaintenanceStatus{Status: m.maintenanceStatus()}}
}

func (m *Master) maintenanceStatus() *maintenancepb.ClusterStatus {
	s := &maintenancepb.ClusterStatus{}
	for _, mc := range m.sortedMachines() {
		switch mc.mode {
		case mesospb.MachineInfo_DRAINING:
			d := &maintenancepb.ClusterStatus_DrainingMachine{Id: mc.id}
			for _, f := range sortedKeys(mc.statuses) {
				d.Statuses = append(d.Statuses, mc.statuses[f])
			}
			s.DrainingMachines = append(s.DrainingMachines, d)
		case mesospb.MachineInfo_DOWN:
			s.DownMachines = append(s.DownMachines, mc.id)
		}
	}
	return s
}

func (m *Master) sortedMachines() []*machine {
	byName := map[string]*machine{}
	for k, mc := range m.machines {
		byName[k.hostname+"\x00"+k.ip] = mc
	}
	var out []*machine
	for _, k := range sortedKeys(byName) {
		out = append(out, byName[k])
	}
	return out
}

func (m *Master) opUpdateMaintenanceSchedule(c *masterpb.Call_UpdateMaintenanceSchedule) answer {
	return m.updateSchedule(c.GetSchedule())
}

func (m *Master) updateSchedule(s *maintenancepb.Schedule) answer {
	if err := m.validateSchedule(s); err != nil {
		return badRequest(err)
	}
	m.schedule = s
	next := map[machineKey]*machine{}
	for _, w := range s.GetWindows() {
		for _, id := range w.GetMachineIds() {
			k := keyOf(id)
			mc := m.machines[k]
			if mc == nil || !proto.Equal(mc.unavailability, w.GetUnavailability()) && mc.mode != mesospb.MachineInfo_DOWN {
				mc = &machine{id: id, mode: mesospb.MachineInfo_DRAINING, statuses: map[string]*allocatorpb.InverseOfferStatus{}}
			}
			mc.unavailability = w.GetUnavailability()
			next[k] = mc
		}
	}
	was := m.machines
	m.machines = next
	m.rememberMaintenance()
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		k := a.machine.lower()
		if was[k] == next[k] {
			continue
		}
		clear(a.refused)
		m.rescindOffers(a)
		m.allocateSoon(a.id)
	}
	m.loop.Post(m.offerInversely)
	return ok
}

func (m *Master) validateSchedule(s *maintenancepb.Schedule) error {
	seen := map[machineKey]bool{}
	for _, w := range s.GetWindows() {
		if len(w.GetMachineIds()) == 0 {
			return wireError("List of machines in the maintenance window is empty")
		}
		if w.GetUnavailability().GetDuration().GetNanoseconds() < 0 {
			return wireError("Unavailability 'duration' is negative")
		}
		for _, id := range w.GetMachineIds() {
			if err := validateMachine(id); err != nil {
				return err
			}
			if k := keyOf(id); seen[k] {
				return wireErrorf("Machine '%s' appears more than once in the schedule", machineText(id))
			} else {
				seen[k] = true
			}
		}
	}
	for _, mc := range m.sortedMachines() {
		if mc.mode == mesospb.MachineInfo_DOWN && !seen[keyOf(mc.id)] {
			return wireErrorf("Machine '%s' is deactivated and cannot be removed from the schedule", machineText(mc.id))
		}
	}
	return nil
}

func validateMachine(id *mesospb.MachineID) error {
	if id.GetHostname() == "" && id.GetIp() == "" {
		return wireError("Both 'hostname' and 'ip' for a machine are empty")
	}
	if ip, err := netip.ParseAddr(id.GetIp()); id.GetIp() != "" && (err != nil || !ip.Is4()) {
		return wireError("Failed to parse the IP")
	}
	return nil
}

// machineText writes a machine as Mesos does, in JSON.
func machineText(id *mesospb.MachineID) string {
	o := object{}
	if id.Hostname != nil {
		o.add("hostname", id.GetHostname())
	}
	if id.Ip != nil {
		o.add("ip", id.GetIp())
	}
	text, _ := o.MarshalJSON() // of strings only
	return string(text)
}

// machinesIn checks that the machines are in the schedule and in a mode, which what is to be done needs.
func (m *Master) machinesIn(ids []*mesospb.MachineID, mode mesospb.MachineInfo_Mode, what string) error {
	if len(ids) == 0 {
		return wireError("List of machines is empty")
	}
	seen := map[machineKey]bool{}
	for _, id := range ids {
		if err := validateMachine(id); err != nil {
			return err
		}
		if seen[keyOf(id)] {
			return wireErrorf("Machine '%s' appears more than once in the schedule", machineText(id))
		}
		seen[keyOf(id)] = true
	}
	for _, id := range ids {
		switch mc := m.machines[keyOf(id)]; {
		case mc == nil:
			return wireErrorf("Machine '%s' is not part of a maintenance schedule", machineText(id))
		case mc.mode != mode:
			return wireErrorf("Machine '%s' is not in %v mode and cannot be %s", machineText(id), mode, what)
		}
	}
	return nil
}

func (m *Master) opStartMaintenance(c *masterpb.Call_StartMaintenance) answer {
	return m.startMaintenance(c.GetMachines())
}

func (m *Master) startMaintenance(ids []*mesospb.MachineID) answer {
	if err := m.machinesIn(ids, mesospb.MachineInfo_DRAINING, "brought down"); err != nil {
		return badRequest(err)
	}
	for _, id := range ids {
		k := keyOf(id)
		m.machines[k].mode = mesospb.MachineInfo_DOWN
		for _, aid := range sortedKeys(m.agents) {
			if a := m.agents[aid]; a.machine.lower() == k {
				a.send(link.Shutdown{Message: "Operator initiated 'Machine DOWN'"})
				m.removeAgent(a, "Operator initiated 'Machine DOWN'", nil)
			}
		}
	}
	m.rememberMaintenance()
	return ok
}

func (m *Master) opStopMaintenance(c *masterpb.Call_StopMaintenance) answer {
	return m.stopMaintenance(c.GetMachines())
}

func (m *Master) stopMaintenance(ids []*mesospb.MachineID) answer {
	if err := m.machinesIn(ids, mesospb.MachineInfo_DOWN, "brought up"); err != nil {
		return badRequest(err)
	}
	for _, id := range ids {
		delete(m.machines, keyOf(id))
	}
	rest := &maintenancepb.Schedule{}
	for _, w := range m.currentSchedule().GetWindows() {
		kept := &maintenancepb.Window{Unavailability: w.GetUnavailability()}
		for _, id := range w.GetMachineIds() {
			if m.machines[keyOf(id)] != nil {
				kept.MachineIds = append(kept.MachineIds, id)
			}
		}
		if len(kept.MachineIds) > 0 {
			rest.Windows = append(rest.Windows, kept)
		}
	}
	m.schedule = rest
	m.rememberMaintenance()
	return ok
}
