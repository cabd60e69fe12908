package election

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Labels of the nodes of masters.
const (
	labelJSON   = "json.info"
	labelBinary = "info"
)

// nodePrefix is what ZooKeeper appends a sequence number of ten digits to.
const nodePrefix = labelJSON + "_"

// encodeInfo returns the content of a master's node: JSON whose keys are in the order of the alphabet, as Mesos writes it there.
func encodeInfo(info *mesospb.MasterInfo) ([]byte, error) {
	text, err := codec.ServerJSON.Append(nil, info)
	if err != nil {
		return nil, fmt.Errorf("election: master info: %w", err)
	}
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("election: master info: %w", err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(tree)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// decodeInfo reads the content of a master's node.
func decodeInfo(label string, data []byte) (*mesospb.MasterInfo, error) {
	info := new(mesospb.MasterInfo)
	var err error
	switch label {
	case labelJSON:
		err = codec.JSON.Unmarshal(data, info)
	case labelBinary:
		err = codec.Protobuf.Unmarshal(data, info)
	default:
		err = fmt.Errorf("unknown label %q; want json.info or info", label)
	}
	if err != nil {
		return nil, err
	}
	return info, nil
}

// leading returns the name and label of the node with the lowest sequence; name is empty if there is none. Other nodes, such as
// log_replicas, stand there too.
func leading(children []string) (name, label string) {
	lowest := int64(-1)
	for _, child := range children {
		parts := strings.FieldsFunc(child, func(r rune) bool { return r == '_' })
		if len(parts) == 0 {
			continue
		}
		n, err := strconv.ParseInt(parts[len(parts)-1], 10, 32)
		if err != nil || name != "" && (n > lowest || n == lowest && child > name) {
			continue
		}
		name, label, lowest = child, "", n
		if len(parts) > 1 {
			label = parts[0]
		}
	}
	return name, label
}
