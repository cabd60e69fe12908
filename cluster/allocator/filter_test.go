package allocator

import (
	"testing"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestAFilterThatIsClearedKeepsNobodyInMemory(t *testing.T) {
	end := time.Unix(1e9, 0)
	f := &filter{client: &client{}, agent: &agent{}, declined: []*mesospb.Resource{resources.NewCPUs(1)}, expires: end}
	f.clear()
	if f.client != nil || f.agent != nil || f.declined != nil || !f.gone || !f.expires.Equal(end) {
		t.Errorf("left %+v", f)
	}
}
