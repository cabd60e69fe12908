package agent

// KeepOperation and ForgetOperation: the agent remembers operations for a master to come until their frameworks have
// acknowledged them, or are removed. In contrast to Mesos' agents it sends no updates of its own: the master does.

import (
	"bytes"
	"slices"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func (a *Agent) onKeepOperation(m link.KeepOperation) {
	a.operations = append(a.operations, m.Operation)
	a.changed()
}

func (a *Agent) onForgetOperation(m link.ForgetOperation) {
	a.forgetOperations(func(o *mesospb.Operation) bool { return bytes.Equal(o.GetUuid().GetValue(), m.OperationID) })
}

func (a *Agent) forgetOperationsOf(framework string) {
	a.forgetOperations(func(o *mesospb.Operation) bool { return o.GetFrameworkId().GetValue() == framework })
}

func (a *Agent) forgetOperations(which func(*mesospb.Operation) bool) {
	if slices.ContainsFunc(a.operations, which) {
		a.operations = slices.DeleteFunc(a.operations, which)
		a.changed()
	}
}
