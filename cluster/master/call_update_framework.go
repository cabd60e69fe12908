package master

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// UPDATE_FRAMEWORK (docs/behaviour.md#scheduler-calls): the checks of SUBSCRIBE, but failing is a 400; so is changing principal, user or
// checkpoint. Offers for roles that are gone are rescinded; roles that are no longer suppressed lose
// their filters. No round of offers follows at once. The answer is 200.

func checkUpdateFramework(c *schedulerpb.Call) error {
	if c.UpdateFramework == nil {
		return wireError("Expecting 'update_framework' to be present")
	}
	if c.GetFrameworkId().GetValue() != c.UpdateFramework.GetFrameworkInfo().GetId().GetValue() {
		return wireError("'framework_id' differs from 'update_framework.framework_info.id'")
	}
	return nil
}

func (m *Master) callUpdateFramework(f *framework, c *schedulerpb.Call) answer {
	u := c.GetUpdateFramework()
	info := proto.CloneOf(u.GetFrameworkInfo())
	if err := m.validateFramework(info); err != nil {
		return answer{http.StatusBadRequest, "'UpdateFramework.framework_info' is not valid: " + err.Error()}
	}
	if err := validateChange(f.info, info); err != nil {
		return answer{http.StatusBadRequest, "FrameworkInfo update is not valid: " + err.Error()}
	}
	compiled, err := validateOfferWishes(info, u.GetSuppressedRoles(), u.GetOfferConstraints())
	if err != nil {
		return badRequest(err)
	}
	if err := m.authorizeFramework(info); err != nil {
		return answer{http.StatusForbidden, err.Error()}
	}
	m.changeFramework(f, info, u.GetSuppressedRoles(), u.GetOfferConstraints(), compiled)
	m.publishFrameworkUpdated(f)
	return answer{status: http.StatusOK}
}
