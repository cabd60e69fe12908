package agent

// GET /flags, GET /version, GET /health and the operator calls of the same names.

import (
	"net/http"
	"sort"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/duration"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// flags are the flags of a mesos-agent that would behave as this one, sorted by name.
func (a *Agent) flags() []*mesospb.Flag {
	values := map[string]string{
		"advertise_ip":                          a.address.ip,
		"containerizers":                        "mesos",
		"default_role":                          "*",
		"disk_watch_interval":                   "1mins",
		"enforce_container_disk_quota":          "false",
		"executor_registration_timeout":         duration.Format(a.cfg.ExecutorRegistrationTimeout),
		"executor_shutdown_grace_period":        duration.Format(a.cfg.ExecutorShutdownGrace),
		"fetcher_cache_dir":                     a.cfg.WorkDir + "/fetch",
		"fetcher_cache_size":                    "2GB",
		"gc_delay":                              duration.Format(a.cfg.GCDelay),
		"hostname":                              a.cfg.Hostname,
		"http_command_executor":                 "false",
		"image_providers":                       "",
		"ip":                                    a.address.ip,
		"isolation":                             "posix/cpu,posix/mem",
		"launcher":                              "posix",
		"max_completed_executors_per_framework": strconv.Itoa(maxCompletedExecutors),
		"port":                                  strconv.Itoa(a.address.port),
		"recover":                               "reconnect",
		"recovery_timeout":                      duration.Format(recoveryTimeout),
		"registration_backoff_factor":           duration.Format(a.cfg.RegistrationBackoff),
		"resources":                             a.cfg.Resources,
		"attributes":                            a.cfg.Attributes,
		"strict":                                "true",
		"switch_user":                           strconv.FormatBool(a.switchesUser()),
		"work_dir":                              a.cfg.WorkDir,
	}
	a.securityFlags(values)
	var list []*mesospb.Flag
	for name, value := range values {
		if value != "" {
			list = append(list, &mesospb.Flag{Name: proto.String(name), Value: proto.String(value)})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].GetName() < list[j].GetName() })
	return list
}

func (a *Agent) flagsObject() object {
	o := object{}
	for _, f := range a.flags() {
		o.add(f.GetName(), f.GetValue())
	}
	return o
}

func (a *Agent) legacyFlags(w http.ResponseWriter, r *http.Request) {
	respondJSON(w, r, object{{"flags", a.flagsObject()}})
}

// versionObject leaves out when and from what a mesos-agent was built: this one was not.
func versionObject() object { return object{{"version", Version}} }

func versionInfo() *mesospb.VersionInfo { return &mesospb.VersionInfo{Version: proto.String(Version)} }

func legacyVersion(w http.ResponseWriter, r *http.Request) { respondJSON(w, r, versionObject()) }

func health(w http.ResponseWriter, _ *http.Request) { httpapi.Empty(w, http.StatusOK) }
