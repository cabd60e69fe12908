package election

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// master is what a master says of itself.
func master(id string, port int) *mesospb.MasterInfo {
	info := &mesospb.MasterInfo{
		Id: &id, Ip: proto.Uint32(16777343), Port: proto.Uint32(uint32(port)), Pid: proto.String(fmt.Sprintf("master@127.0.0.1:%d", port)),
		Hostname: proto.String("localhost"), Version: proto.String("1.12.0"),
		Address: &mesospb.Address{Hostname: proto.String("localhost"), Ip: proto.String("127.0.0.1"), Port: proto.Int32(int32(port))},
	}
	for _, c := range []mesospb.MasterInfo_Capability_Type{
		mesospb.MasterInfo_Capability_AGENT_UPDATE, mesospb.MasterInfo_Capability_AGENT_DRAINING, mesospb.MasterInfo_Capability_QUOTA_V2,
	} {
		info.Capabilities = append(info.Capabilities, &mesospb.MasterInfo_Capability{Type: c.Enum()})
	}
	return info
}
