// Package fault plays faults to the clients of an embedded cluster: answers that do not come, come late or are wrong,
// streams that break or fall silent, status updates that are lost or arrive twice.
//
// A Set holds rules, which can be added and removed while the cluster runs (cluster.Cluster.Faults has the one of a
// cluster). A Rule says where it applies, what it does, to which of the things that pass there, and how often:
//
//	call answer status=503 type=ACCEPT count=2    the next two ACCEPT calls are answered 503
//	call lose type=REVIVE count=1                 the next REVIVE is answered 202 and forgotten
//	call hang api=operator                        operators get no answer
//	call limit rate=1kB/s type=SUBSCRIBE          event streams crawl
//	event drop type=HEARTBEAT framework=web       the framework web hears no heartbeats
//	event sever framework=web                     its stream ends, now
//	event reset type=OFFERS                       the next OFFERS breaks off in the middle of its frame
//	update delay time=5s state=TASK_RUNNING       these updates reach the master 5 s late
//	update drop task=web.* p=0.5 seed=1           half of the updates of these tasks are lost
//
// Parse reads this form, Rule is it as a Go value and as JSON. The keys:
//
//	api        scheduler, executor or operator                              call, event
//	path       of the request; * stands for anything                        call
//	type       of the call or event, such as REVIVE; * as above             call, event
//	framework  id or name; * as above                                       all
//	agent      id or host name; * as above. On calls and events that means  all
//	           those at the agent's own endpoints
//	task       id; * as above                                               event (of type UPDATE), update
//	state      of the task, such as TASK_RUNNING; * as above                event (of type UPDATE), update
//	skip       how many things that match are left alone at first           all
//	count      how many are hit; 0 is no bound                              all
//	p, seed    the probability of a hit (1), and what makes it repeatable   all
//	for        after how long the rule ends, such as 30s                    all
//
// What rules do:
//
//	call   answer     status, body, header=Name:value; the call is not carried out
//	       lose       the answer is that of success, but the call is not carried out
//	       delay      time; the call is carried out later
//	       hang       nothing, ever, as with a half-open connection; the call is not carried out
//	       reset      the connection is reset; the call is not carried out
//	       cut        the call is carried out, and the connection reset in the middle of the answer
//	       limit      rate, such as 1kB/s: how fast the answer comes, be it a stream
//	event  drop       the event is left out
//	       delay      time; the event, and those behind it, come later
//	       stall      this event and all behind it wait until the rule ends
//	       sever      the stream ends without the event, as if the server had closed it
//	       reset      bytes; the connection is reset when that much (or half) of the event's frame was sent
//	update drop       the master does not get the update; the agent sends it again after 10 s
//	       delay      time
//	       duplicate  copies (2): how often it arrives
//	       reorder    window (2), time (1s): so many are collected, for so long at most, and passed on in reverse order
//
// sever and reset without type, task, state and count hit every stream that is open and matches, at once and once; otherwise they hit one
// event unless count says more. The wait of hang and stall ends with the rule: then hung connections are reset.
//
// Rules apply in the order of their adding. delay leaves a thing to the rules behind it, as does limit; otherwise the
// first rule that hits decides.
package fault
