package app

// HealthCheck asks a task at intervals whether it is well; the executor does it, on the agent, and kills the task after too many failures.
type HealthCheck struct {
	// Type is command, http or tcp. Default: whichever of them is there.
	Type    CheckType  `json:"type,omitempty"`
	Command *Command   `json:"command,omitempty"`
	HTTP    *HTTPCheck `json:"http,omitempty"`
	TCP     *TCPCheck  `json:"tcp,omitempty"`
	// Endpoint is the old SDK's short form, such as localhost:8080 or http://localhost:8080/health. Complete turns it into HTTP or TCP.
	Endpoint string `json:"endpoint,omitempty"`
	// Delay is the time before the first check. Default: 15s.
	Delay *Duration `json:"delay,omitempty"`
	// Interval is the time between checks. Default: 10s.
	Interval Duration `json:"interval,omitempty" positive:""`
	// Timeout is how long one check may take. Default: 20s.
	Timeout Duration `json:"timeout,omitempty" positive:""`
	// GracePeriod is how long failures at the beginning are ignored. Default: 10s.
	GracePeriod *Duration `json:"grace_period,omitempty" alias:"graceperiod"`
	// Failures is how many in a row kill the task. Default: 3.
	Failures int `json:"failures,omitempty" alias:"fails" positive:""`
}

// Check asks a task something at intervals and reports the answer; it kills nothing.
type Check struct {
	// Type is command, http or tcp. Default: whichever of them is there.
	Type    CheckType  `json:"type,omitempty"`
	Command *Command   `json:"command,omitempty"`
	HTTP    *HTTPCheck `json:"http,omitempty"`
	TCP     *TCPCheck  `json:"tcp,omitempty"`
	// Delay is the time before the first check. Default: 15s.
	Delay *Duration `json:"delay,omitempty"`
	// Interval is the time between checks. Default: 10s.
	Interval Duration `json:"interval,omitempty" positive:""`
	// Timeout is how long one check may take. Default: 20s.
	Timeout Duration `json:"timeout,omitempty" positive:""`
}

// CheckType names a way to check.
type CheckType string

// The ways to check.
const (
	CheckCommand CheckType = "command"
	CheckHTTP    CheckType = "http"
	CheckTCP     CheckType = "tcp"
)

// HTTPCheck sends GET to the task.
type HTTPCheck struct {
	// Scheme is http or https. Default: http.
	Scheme string `json:"scheme,omitempty"`
	// Port is a number or the name of one of the task's ports. Default: the task's first port.
	Port PortRef `json:"port,omitzero"`
	// Path begins with /. Default: /.
	Path string `json:"path,omitempty"`
	// Statuses count as healthy (health checks only; Mesos' own executors ignore it). Default: 200 to 399.
	Statuses []int `json:"statuses,omitempty"`
}

// TCPCheck connects to the task.
type TCPCheck struct {
	// Port is a number or the name of one of the task's ports. Default: the task's first port.
	Port PortRef `json:"port,omitzero" alias:"Port"`
}
