package detector

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Labels of the nodes that masters keep in ZooKeeper; they say how the content is written.
const (
	labelJSON   = "json.info" // MasterInfo in JSON, since Mesos 0.24
	labelBinary = "info"      // MasterInfo in protobuf
	labelPID    = ""          // master@host:port, before Mesos 0.20
)

// masterNode is the name of a child that a master made, such as json.info_0000000003.
type masterNode struct {
	name     string
	label    string
	sequence int32
}

// parseNodeName splits the name of a child; ok is false for children that are not sequential, such as log_replicas.
func parseNodeName(name string) (node masterNode, ok bool) {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '_' })
	if len(parts) == 0 {
		return masterNode{}, false
	}
	sequence, err := strconv.ParseInt(parts[len(parts)-1], 10, 32)
	if err != nil {
		return masterNode{}, false
	}
	node = masterNode{name: name, sequence: int32(sequence)}
	if len(parts) > 1 {
		node.label = parts[0]
	}
	return node, true
}

// leadingNode returns the child with the lowest sequence across all labels; ok is false if there is none.
func leadingNode(children []string) (leader masterNode, ok bool) {
	for _, name := range children {
		node, is := parseNodeName(name)
		// Equal sequences do not occur below one node; the name decides, so that the result has no chance in it.
		if is && (!ok || node.sequence < leader.sequence || node.sequence == leader.sequence && node.name < leader.name) {
			leader, ok = node, true
		}
	}
	return leader, ok
}

// ParseMasterNode returns what the content of a master's node says about that master. label is the name of the node
// up to the first underscore: json.info, info, or "" for the oldest form.
func ParseMasterNode(label string, data []byte) (*mesospb.MasterInfo, error) {
	info := new(mesospb.MasterInfo)
	var err error
	switch label {
	case labelJSON:
		err = codec.JSON.Unmarshal(data, info)
	case labelBinary:
		err = codec.Protobuf.Unmarshal(data, info)
	case labelPID:
		info, err = parsePID(string(data))
	default:
		return nil, fmt.Errorf("master node: unknown label %q; want json.info or info", label)
	}
	if err != nil {
		return nil, fmt.Errorf("master node of label %q: %w", label, err)
	}
	if _, err := masterAddress(info, "http"); err != nil {
		return nil, fmt.Errorf("master node of label %q: %w", label, err)
	}
	return info, nil
}

// parsePID reads master@host:port.
func parsePID(pid string) (*mesospb.MasterInfo, error) {
	pid = strings.TrimSpace(pid)
	_, address, found := strings.Cut(pid, "@")
	host, portText, err := net.SplitHostPort(address)
	if !found || err != nil {
		return nil, fmt.Errorf("%.100q: want master@host:port", pid)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%.100q: wrong port", pid)
	}
	number, port32 := uint32(0), int32(port)
	if v4 := net.ParseIP(host).To4(); v4 != nil {
		number = uint32(v4[0]) | uint32(v4[1])<<8 | uint32(v4[2])<<16 | uint32(v4[3])<<24
	}
	uport := uint32(port)
	return &mesospb.MasterInfo{Id: &pid, Ip: &number, Port: &uport, Pid: &pid, Hostname: &host,
		Address: &mesospb.Address{Hostname: &host, Ip: &host, Port: &port32}}, nil
}

// masterAddress returns host:port of a master. The address goes before the older fields; the IP address goes
// before the name, which need not resolve here, except under https, where the certificate bears the name.
func masterAddress(info *mesospb.MasterInfo, scheme string) (string, error) {
	ip, name, port := "", info.GetHostname(), int64(info.GetPort())
	// The old field holds the IPv4 address in network order, read as a number in the order of the machine:
	// 127.0.0.1 is 16777343 on all machines that Mesos runs on.
	if n := info.GetIp(); n != 0 {
		ip = net.IPv4(byte(n), byte(n>>8), byte(n>>16), byte(n>>24)).String()
	}
	if address := info.GetAddress(); address != nil {
		port = int64(address.GetPort())
		if address.GetIp() != "" {
			ip = address.GetIp()
		}
		if address.GetHostname() != "" {
			name = address.GetHostname()
		}
	}
	if port < 1 || port > 65535 {
		return "", fmt.Errorf("port %d: want 1 to 65535", port)
	}
	host := ip
	if parsed := net.ParseIP(ip); parsed == nil && ip != name || parsed != nil && parsed.IsUnspecified() || scheme == "https" && name != "" {
		host = name
	}
	if host == "" || strings.ContainsAny(host, "/@?#[] \t\r\n%\\\x00") {
		return "", errors.New("neither an IP address nor a hostname to reach the master at")
	}
	return net.JoinHostPort(host, strconv.FormatInt(port, 10)), nil
}

// mastersOf returns the detection of one known leader.
func mastersOf(info *mesospb.MasterInfo, scheme string) (Masters, error) {
	address, err := masterAddress(info, scheme)
	if err != nil {
		return Masters{}, err
	}
	base, err := BaseURL(scheme+"://"+address, scheme)
	if err != nil {
		return Masters{}, err
	}
	return Masters{Candidates: []string{base}, Info: info}, nil
}
