package transport_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

func TestOneExchangeMayWaitLongerForItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const answersAfter = 3 * time.Hour
		client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-time.After(answersAfter):
			case <-r.Context().Done():
			}
		})
		call := &masterpb.Call{Type: masterpb.Call_GET_HEALTH.Enum()}
		for _, d := range []time.Duration{0, -1, answersAfter + time.Second} {
			if err := client.Call(t.Context(), "http://"+host, call, transport.WithHeaderTimeout(d)); err != nil {
				t.Errorf("with a header timeout of %v: %v", d, err)
			}
		}
		if err := client.Call(t.Context(), "http://"+host, call); err == nil {
			t.Error("other exchanges are no longer bounded")
		}
	})
}
