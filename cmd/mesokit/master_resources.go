package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// parseAmounts reads resources that a command names without a reservation.
func parseAmounts(text string) ([]*mesospb.Resource, error) {
	list, err := resources.Parse(text, "")
	if err != nil {
		return nil, usagef("%q: %w", text, err)
	}
	list = resources.Sum(list)
	for _, r := range list {
		if !resources.IsUnreserved(r) {
			return nil, usagef("%q: the role goes to --role", text)
		}
	}
	if resources.IsEmpty(list) {
		return nil, usagef("%q: want resources, such as cpus:2;mem:1024", text)
	}
	return list, nil
}

// roleFlag adds --role.
func roleFlag(cmd *cobra.Command, role *string) {
	cmd.Flags().StringVar(role, "role", "", "role that has the reservation (required)")
}

func checkRole(role string) error {
	if role == "" || role == resources.Unreserved {
		return usagef("--role %q: want the role that resources are reserved for", role)
	}
	if err := resources.ValidateRole(role); err != nil {
		return usagef("--role %q: %w", role, err)
	}
	return nil
}

func newMasterReserve(o *operating) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "reserve AGENT RESOURCES", Short: "Reserve resources of an agent for a role", Args: cobra.ExactArgs(2),
		Long:    "reserve takes unreserved resources that no task uses; offers that are in the way are rescinded. The reservation has the --principal, if there is one.",
		Example: "  mesokit master reserve S0 'cpus:2;mem:1024;disk:4096' --role db",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRole(role); err != nil {
				return err
			}
			list, err := parseAmounts(args[1])
			if err != nil {
				return err
			}
			return o.withMaster(func(cmd *cobra.Command, m *operator.Master, args []string) error {
				a, err := findAgent(cmd.Context(), m, args[0])
				if err != nil {
					return err
				}
				entry := &mesospb.Resource_ReservationInfo{Type: mesospb.Resource_ReservationInfo_DYNAMIC.Enum(), Role: &role}
				if o.to.principal != "" {
					entry.Principal = &o.to.principal
				}
				list := resources.PushReservation(list, entry)
				if err := m.ReserveResources(cmd.Context(), a.GetAgentInfo().GetId().GetValue(), nil, list); err != nil {
					return err
				}
				return tellResources(cmd, a, "reserved", list)
			})(cmd, args)
		},
	}
	roleFlag(cmd, &role)
	return cmd
}

// tellResources says what was done to resources of an agent.
func tellResources(cmd *cobra.Command, a *masterpb.Response_GetAgents_Agent, done string, list []*mesospb.Resource) error {
	id, text := a.GetAgentInfo().GetId().GetValue(), resources.Describe(list)
	return tell(cmd, map[string]string{"agent": id, "resources": text}, "%s %s on %s", done, text, id)
}

// reservedOf finds resources of an agent that are reserved for a role and no volumes: as the agent has them, reservation included.
func reservedOf(a *masterpb.Response_GetAgents_Agent, wanted []*mesospb.Resource, role string) ([]*mesospb.Resource, error) {
	have := resources.Filter(a.GetTotalResources(), func(r *mesospb.Resource) bool {
		return resources.IsReserved(r, role) && resources.IsDynamicallyReserved(r) && !resources.IsPersistentVolume(r)
	})
	found, ok := resources.Find(have, wanted, role)
	if !ok {
		return nil, fmt.Errorf("agent %s has not reserved %s for role %s by mesokit master reserve or a framework: it has %s", a.GetAgentInfo().GetId().GetValue(),
			resources.Describe(wanted), role, resources.Describe(have))
	}
	return found, nil
}

func newMasterUnreserve(o *operating) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "unreserve AGENT RESOURCES", Short: "Take the reservation off resources of an agent", Args: cobra.ExactArgs(2),
		Long:    "unreserve takes dynamic reservations off resources that no task uses. Volumes have to be destroyed before.",
		Example: "  mesokit master unreserve S0 'cpus:2;mem:1024' --role db",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRole(role); err != nil {
				return err
			}
			wanted, err := parseAmounts(args[1])
			if err != nil {
				return err
			}
			return o.withMaster(func(cmd *cobra.Command, m *operator.Master, args []string) error {
				a, err := findAgent(cmd.Context(), m, args[0])
				if err != nil {
					return err
				}
				list, err := reservedOf(a, wanted, role)
				if err != nil {
					return err
				}
				if err := m.UnreserveResources(cmd.Context(), a.GetAgentInfo().GetId().GetValue(), list); err != nil {
					return err
				}
				return tellResources(cmd, a, "unreserved", list)
			})(cmd, args)
		},
	}
	roleFlag(cmd, &role)
	return cmd
}

func newMasterVolumes(o *operating) *cobra.Command {
	group := &cobra.Command{
		Use: "volumes", Short: "Show, create and destroy persistent volumes",
		Example: `  mesokit master reserve S0 disk:4096 --role db
  mesokit master volumes create S0 data 1024 --role db --path data
  mesokit master volumes ls
  mesokit master volumes destroy S0 data`,
	}
	group.AddCommand(newVolumesList(o), newVolumesCreate(o), newVolumesDestroy(o))
	return group
}

// volumesOf returns the persistent volumes of an agent; of a shared one, one copy.
func volumesOf(a *masterpb.Response_GetAgents_Agent) []*mesospb.Resource {
	seen := map[string]bool{}
	return resources.Filter(a.GetTotalResources(), func(r *mesospb.Resource) bool {
		key := resources.ReservationRole(r) + "\x00" + r.GetDisk().GetPersistence().GetId()
		first := resources.IsPersistentVolume(r) && !seen[key]
		seen[key] = seen[key] || first
		return first
	})
}

func newVolumesList(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "ls [AGENT…]", Short: "Show persistent volumes",
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, refs []string) error {
			list, err := m.GetAgents(cmd.Context())
			if err != nil {
				return err
			}
			some := list.GetAgents()
			if len(refs) > 0 {
				some = nil
			}
			for _, ref := range refs {
				a, err := pickAgent(list, ref)
				if err != nil {
					return err
				}
				some = append(some, a)
			}
			volumes := []volume{}
			for _, a := range some {
				for _, r := range volumesOf(a) {
					volumes = append(volumes, newVolume(a, r))
				}
			}
			t := newTable(cmd, "volume", "role", "MB", "path", "hostname", "agent")
			for _, v := range volumes {
				t.AppendRow(table.Row{v.ID, v.Role, v.MB, v.Path, v.Hostname, v.Agent})
			}
			if len(volumes) == 0 {
				return emit(cmd, volumes, "%s", noneOf(cmd, "There are no persistent volumes."))
			}
			return emit(cmd, volumes, "%s", t.Render())
		}),
	}
}

// volume is a persistent volume in JSON.
type volume struct {
	ID        string  `json:"id"`
	Role      string  `json:"role"`
	MB        float64 `json:"mb"`
	Path      string  `json:"container_path"`
	Shared    bool    `json:"shared,omitempty"`
	Principal string  `json:"principal,omitempty"`
	Hostname  string  `json:"hostname"`
	Agent     string  `json:"agent"`
}

func newVolume(a *masterpb.Response_GetAgents_Agent, r *mesospb.Resource) volume {
	return volume{
		ID: r.GetDisk().GetPersistence().GetId(), Role: resources.ReservationRole(r), MB: r.GetScalar().GetValue(), Path: r.GetDisk().GetVolume().GetContainerPath(),
		Shared: resources.IsShared(r), Principal: r.GetDisk().GetPersistence().GetPrincipal(),
		Hostname: a.GetAgentInfo().GetHostname(), Agent: a.GetAgentInfo().GetId().GetValue(),
	}
}

func newVolumesCreate(o *operating) *cobra.Command {
	var role, path string
	var shared bool
	cmd := &cobra.Command{
		Use: "create AGENT ID MB", Short: "Make a persistent volume of disk that is reserved for a role", Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRole(role); err != nil {
				return err
			}
			mb, err := strconv.ParseFloat(args[2], 64)
			if err != nil || !(mb > 0 && mb < 1e12) {
				return usagef("%q: want the size in MB", args[2])
			}
			return o.withMaster(func(cmd *cobra.Command, m *operator.Master, args []string) error {
				a, err := findAgent(cmd.Context(), m, args[0])
				if err != nil {
					return err
				}
				list, err := reservedOf(a, []*mesospb.Resource{resources.NewDisk(mb)}, role)
				if err != nil {
					return err
				}
				if len(list) != 1 {
					return fmt.Errorf("no single disk of agent %s has %v MB reserved for role %s in one piece", args[0], mb, role)
				}
				v := list[0]
				if v.Disk == nil {
					v.Disk = new(mesospb.Resource_DiskInfo)
				}
				v.Disk.Persistence = &mesospb.Resource_DiskInfo_Persistence{Id: &args[1]}
				if o.to.principal != "" {
					v.Disk.Persistence.Principal = &o.to.principal
				}
				v.Disk.Volume = &mesospb.Volume{Mode: mesospb.Volume_RW.Enum(), ContainerPath: proto.String(cmp.Or(path, args[1]))}
				if shared {
					v.Shared = new(mesospb.Resource_SharedInfo)
				}
				if err := m.CreateVolumes(cmd.Context(), a.GetAgentInfo().GetId().GetValue(), list); err != nil {
					return err
				}
				return tellResources(cmd, a, "created", list)
			})(cmd, args)
		},
	}
	roleFlag(cmd, &role)
	cmd.Flags().StringVar(&path, "path", "", "where tasks see it, in their sandbox (default: ID)")
	cmd.Flags().BoolVar(&shared, "shared", false, "several tasks may use it at once")
	return cmd
}

func newVolumesDestroy(o *operating) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "destroy AGENT ID", Short: "Delete a persistent volume and what is on it", Args: cobra.ExactArgs(2),
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, args []string) error {
			a, err := findAgent(cmd.Context(), m, args[0])
			if err != nil {
				return err
			}
			found := resources.Filter(volumesOf(a), func(r *mesospb.Resource) bool {
				return r.GetDisk().GetPersistence().GetId() == args[1] && (role == "" || resources.ReservationRole(r) == role)
			})
			switch len(found) {
			case 0:
				return fmt.Errorf("agent %s has no volume %q; mesokit master volumes ls shows those there are", args[0], args[1])
			case 1:
			default:
				return usagef("roles %s have a volume %q each: name one with --role", strings.Join(each(found, resources.ReservationRole), ", "), args[1])
			}
			if err := confirm(cmd, "destroy deletes volume %s on agent %s (%s) with its data", args[1], agentIDOf(a), a.GetAgentInfo().GetHostname()); err != nil {
				return err
			}
			if err := m.DestroyVolumes(cmd.Context(), a.GetAgentInfo().GetId().GetValue(), found); err != nil {
				return err
			}
			return tellResources(cmd, a, "destroyed", found)
		}),
	}
	confirmFlag(cmd)
	cmd.Flags().StringVar(&role, "role", "", "role of the volume, where several have one of this id")
	return cmd
}
