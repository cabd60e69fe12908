package placement

// Placed is the index of what runs where. Constraints read counts from it, so that placing a task costs the same however many run. Fields
// are indexed once a constraint asks for them, and from then on kept up to date.
//
// It also remembers agents: GROUP_BY takes the values of all agents known for the values to spread over, whether they
// have offers at the moment or not. The zero Placed is not ready: use NewPlaced. It is not safe for concurrent use, and Place may add to
// its indexes.
type Placed struct {
	agents map[string]*agentRecord
	groups map[string]*groupRecord
}

type (
	agentRecord struct{}
	groupRecord struct{}
)

// NewPlaced returns an empty index.
func NewPlaced() *Placed {
	return &Placed{agents: map[string]*agentRecord{}, groups: map[string]*groupRecord{}}
}

// Observe remembers an agent, or what is new about it. Call it for every agent that an offer shows.
func (p *Placed) Observe(a *Agent) {}

// Forget drops an agent that is gone for good. Its tasks, if any are left, still count until they are removed.
func (p *Placed) Forget(agentID string) {}

// Add counts one instance of a group on an agent. Call it when the launch is decided.
func (p *Placed) Add(group string, at *Agent) {}

// Remove takes one instance off: when it has ended or its launch failed. It reports whether there was one.
func (p *Placed) Remove(group, agentID string) bool { return false }

// Count returns how many instances of the group run where the field has the value.
func (p *Placed) Count(group string, f Field, value string) int { return 0 }

// On returns how many instances of the group run on the agent.
func (p *Placed) On(group, agentID string) int { return 0 }

// Total returns how many instances of the group run.
func (p *Placed) Total(group string) int { return 0 }
