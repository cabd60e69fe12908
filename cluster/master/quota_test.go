package master

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func scalars(m map[string]float64) map[string]*mesospb.Value_Scalar {
	out := map[string]*mesospb.Value_Scalar{}
	for name, v := range m {
		out[name] = &mesospb.Value_Scalar{Value: proto.Float64(v)}
	}
	return out
}

func quotaOf(role string, guarantees, limits map[string]float64) *masterpb.Call {
	return &masterpb.Call{Type: masterpb.Call_UPDATE_QUOTA.Enum(), UpdateQuota: &masterpb.Call_UpdateQuota{QuotaConfigs: []*quotapb.QuotaConfig{
		{Role: &role, Guarantees: scalars(guarantees), Limits: scalars(limits)},
	}}}
}

func TestQuotaRescindsNoMoreThanItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("h")
		q := w.subscribe(frameworkInfo("q"))
		q.offer()
		// Guarantees within what the role is offered disturb nobody.
		w.mustOperate(quotaOf("q", map[string]float64{"cpus": 2}, nil))
		q.quiet()
		// A limit takes back what is beyond it. Offers are no use yet, so that it is no more than is consumed.
		w.mustOperate(quotaOf("q", nil, map[string]float64{"cpus": 1}))
		q.expect(schedulerpb.Event_RESCIND)
		time.Sleep(time.Second)
		if o := q.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:1; mem:2048; disk:4096" {
			t.Errorf("q got %s", show(o.Resources))
		}
		// Without the limit the rest is offered, and nothing is taken back.
		w.mustOperate(quotaOf("q", nil, nil))
		time.Sleep(time.Second)
		if o := q.offer(); show(o.Resources) != "cpus:3" {
			t.Errorf("q got %s", show(o.Resources))
		}
		// What another role is guaranteed takes back offers until there is enough.
		w.mustOperate(quotaOf("other", map[string]float64{"cpus": 1}, nil))
		q.expect(schedulerpb.Event_RESCIND)
		q.quiet()
	})
}

func TestAQuotaThatIsResetStays(t *testing.T) {
	w := start(t, Config{})
	w.mustOperate(quotaOf("eng", nil, map[string]float64{"cpus": 1}))
	w.mustOperate(quotaOf("eng", nil, nil))
	for path, want := range map[string]string{
		"/quota": `{"infos":[{"role":"eng"}],"configs":[{"role":"eng"}]}`,
		"/roles": `{"roles":[{"name":"eng","weight":1.0,"quota":{"role":"eng","guarantee":{},"limit":{},"consumed":{}},` +
			`"resources":{},"allocated":{},"offered":{},"reserved":{},"frameworks":[]}]}`,
	} {
		if _, _, body := w.get(path); body != want {
			t.Errorf("%s is %s, want %s", path, body, want)
		}
	}
	//lint:ignore SA1019 the call that older tools still send
	w.mustOperate(&masterpb.Call{Type: masterpb.Call_REMOVE_QUOTA.Enum(), RemoveQuota: &masterpb.Call_RemoveQuota{Role: proto.String("eng")}})
	if _, _, body := w.get("/quota"); body != "{}" {
		t.Errorf("after REMOVE_QUOTA /quota is %s", body)
	}
}

func TestQuotaIsRefusedInMesosWords(t *testing.T) {
	w := start(t, Config{})
	w.agent("h")
	config := func(text string) string {
		return `{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[` + text + `]}}`
	}
	set := func(text string) string { return `{"type":"SET_QUOTA","set_quota":{"quota_request":` + text + `}}` }
	for _, tc := range []struct {
		body   string
		status int
		text   string
	}{
		{config(`{"role":"*","guarantees":{"cpus":{"value":1}}}`), 200, ""},
		{config(`{"role":"eng/a"}`), 400, "Updating quota on nested role 'eng/a' is not supported yet"},
		{config(`{"role":""}`), 400, "Invalid QuotaConfig: Invalid 'QuotaConfig.role': Role names cannot be the empty string"},
		{config(`{"role":"a","guarantees":{"cpus":{"value":-1}}}`), 400, "Invalid QuotaConfig: Invalid guarantee configuration {'cpus': -1}: Negative values not supported"},
		{config(`{"role":"a","limits":{"mem":{"value":2e15}}}`), 400,
			"Invalid QuotaConfig: Invalid 'QuotaConfig.limits': {'mem': 2e+15} is invalid: values greater than 1 exabyte (1099511627776) are not supported"},
		{config(`{"role":"a","guarantees":{"cpus":{"value":2}},"limits":{"cpus":{"value":1}}}`), 400,
			"Invalid QuotaConfig: 'QuotaConfig.guarantees' { cpus: 2 } is not contained within the 'QuotaConfig.limits' { cpus: 1 }"},
		{config(`{"role":"a","guarantees":{"cpus":{"value":100}}}`), 400,
			"Invalid QuotaConfig: total quota guarantees 'cpus:101' exceed cluster capacity 'cpus:4; disk:4096; mem:2048' (use 'force' flag to bypass this check)"},
		{config(`{"role":"a"},{"role":"a"}`), 200, ""},
		{set(`{"role":"a","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]}`), 400,
			"Failed to validate set quota request: Cannot set quota for role 'a' which already has quota"},
		{set(`{"role":"x y","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]}`), 400,
			"Failed to validate set quota request: QuotaInfo with invalid resource: Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"},
		{set(`{"role":"b","guarantee":[]}`), 400, "Failed to validate set quota request: QuotaInfo with empty 'guarantee'"},
		{set(`{"role":"b","guarantee":[{"name":"p","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]}}]}`), 400,
			"Failed to validate set quota request: QuotaInfo must not include non-scalar resources"},
		{set(`{"role":"b","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}},{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]}`), 400,
			"Failed to validate set quota request: QuotaInfo contains duplicate resource name 'cpus'"},
		{set(`{"role":"b","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":100}}]}`), 409,
			"Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees 'cpus:101' exceed cluster capacity 'cpus:4; disk:4096; mem:2048'"},
		{set(`{"role":"b/c","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]}`), 400, "Setting quota on nested role 'b/c' is not supported yet"},
		{`{"type":"REMOVE_QUOTA","remove_quota":{"role":"*x"}}`, 400, "Failed to remove quota: Role '*x' has no quota set"},
	} {
		status, _, text := w.post("/api/v1", codec.MediaTypeJSON, nil, []byte(tc.body))
		if status != tc.status || text != tc.text {
			t.Errorf("%s: %d %q, want %d %q", tc.body, status, text, tc.status, tc.text)
		}
	}
}

func TestWeightsRescindOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("h")
		a := w.subscribe(frameworkInfo("a"))
		a.offer()
		b := w.subscribe(frameworkInfo("b"))
		weigh := func(role string, weight float64) {
			w.mustOperate(&masterpb.Call{Type: masterpb.Call_UPDATE_WEIGHTS.Enum(), UpdateWeights: &masterpb.Call_UpdateWeights{
				WeightInfos: []*mesospb.WeightInfo{{Role: &role, Weight: &weight}}}})
		}
		weigh("nobody", 2)
		a.quiet()
		weigh(" b ", 2.5) // names are trimmed
		a.expect(schedulerpb.Event_RESCIND)
		time.Sleep(time.Second)
		if o := b.offer(); resources.CPUs(o.Resources) != 4 {
			t.Errorf("b got %s", show(o.Resources))
		}
		if _, _, body := w.get("/weights"); body != `[{"weight":2.5,"role":"b"},{"weight":2.0,"role":"nobody"}]` {
			t.Errorf("weights %s", body)
		}
		for weight, want := range map[string]string{"0": "0", "-1": "-1"} {
			status, _, text := w.post("/api/v1", codec.MediaTypeJSON, nil, fmt.Appendf(nil, `{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"a","weight":%s}]}}`, weight))
			if want := "Failed to validate update weights request JSON for role 'a': Invalid weight '" + want + "': Weights must be positive"; status != http.StatusBadRequest || text != want {
				t.Errorf("weight %s: %d %q, want %q", weight, status, text, want)
			}
		}
	})
}
