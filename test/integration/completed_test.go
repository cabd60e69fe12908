package integration

import (
	"testing"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
)

func TestATaskIsFoundAfterItsFrameworkIsGone(t *testing.T) {
	for _, media := range []codec.Codec{codec.JSON, codec.Protobuf} {
		t.Run(media.MediaType(), func(t *testing.T) {
			c := start(t, cluster.Config{})
			f := subscribe(t, c, modern("gone"), media)
			offer := f.offers()[0]
			f.launch(offer, shell("ended", offer, "exit 0"))
			f.expect(starting, running, finished)
			f.must(f.Teardown(f.ctx))
			tr, err := transport.New(transport.Config{Codec: media})
			f.must(err)
			defer tr.Close()
			m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master(), Transport: tr})
			f.must(err)
			place, err := m.FindTask(f.ctx, "", "ended")
			f.must(err)
			if place.Task.GetState() != finished || place.FrameworkID != f.id.GetValue() {
				t.Errorf("found %v", place)
			}
			state, err := m.GetState(f.ctx)
			f.must(err)
			if n := len(state.GetGetTasks().GetCompletedTasks()); n != 1 {
				t.Errorf("%d completed tasks in the state, want 1", n)
			}
		})
	}
}
