package main

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func newMasterQuota(o *operating) *cobra.Command {
	group := &cobra.Command{
		Use: "quota", Short: "Show and set guarantees and limits of roles",
		Example: "  mesokit master quota set web --guarantee 'cpus:4;mem:4096' --limit 'cpus:16;mem:16384'\n  mesokit master quota show\n  mesokit master quota rm web",
	}
	group.AddCommand(&cobra.Command{
		Annotations: printsTable(), Use: "show", Short: "Show quotas", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			s, err := m.GetQuota(cmd.Context())
			if err != nil {
				return err
			}
			return emitMessage(cmd, s, func() string {
				// A master remembers that a quota was removed until another one leads.
				configs := slices.DeleteFunc(slices.Clone(s.GetConfigs()), func(q *quotapb.QuotaConfig) bool { return len(q.GetGuarantees())+len(q.GetLimits()) == 0 })
				if len(configs) == 0 {
					return noneOf(cmd, "No role has a quota.")
				}
				t := newTable(cmd, "role", "guarantee", "limit")
				for _, q := range configs {
					t.AppendRow(table.Row{q.GetRole(), amountsOf(q.GetGuarantees()), amountsOf(q.GetLimits())})
				}
				return t.Render()
			})
		}),
	})
	var guarantee, limit string
	var force bool
	set := &cobra.Command{
		Use: "set ROLE", Short: "Set guarantee and limit of a role", Args: cobra.ExactArgs(1),
		Long: "set replaces what the role had: one of --guarantee and --limit that is not given is removed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			q := &quotapb.QuotaConfig{Role: &args[0]}
			var err error
			if q.Guarantees, err = scalars("--guarantee", guarantee); err != nil {
				return err
			}
			if q.Limits, err = scalars("--limit", limit); err != nil {
				return err
			}
			if len(q.Guarantees)+len(q.Limits) == 0 {
				return usagef("want --guarantee, --limit or both, such as --limit 'cpus:4;mem:4096'; quota rm removes a quota")
			}
			return o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
				if err := m.UpdateQuota(cmd.Context(), force, q); err != nil {
					return err
				}
				return emitMessage(cmd, q, func() string {
					return "quota of " + args[0] + ": guarantee " + amountsOf(q.GetGuarantees()) + ", limit " + amountsOf(q.GetLimits())
				})
			})(cmd, args)
		},
	}
	set.Flags().StringVar(&guarantee, "guarantee", "", "what the role gets before others: 'cpus:4;mem:4096'")
	set.Flags().StringVar(&limit, "limit", "", "what the role never gets more of")
	set.Flags().BoolVar(&force, "force", false, "do not check what the cluster has and what the role uses")
	group.AddCommand(set, &cobra.Command{
		Use: "rm ROLE…", Short: "Remove quotas", Args: cobra.MinimumNArgs(1),
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, roles []string) error {
			if err := m.UpdateQuota(cmd.Context(), false, each(roles, func(role string) *quotapb.QuotaConfig { return &quotapb.QuotaConfig{Role: &role} })...); err != nil {
				return err
			}
			names := strings.Join(roles, " ")
			return tell(cmd, map[string]string{"roles": names}, "no quota for %s", names)
		}),
	})
	return group
}

// amountsOf is quota for people.
func amountsOf(m map[string]*mesospb.Value_Scalar) string {
	if len(m) == 0 {
		return "none"
	}
	return strings.Join(each(sortedKeys(m), func(name string) string {
		return name + ":" + strconv.FormatFloat(m[name].GetValue(), 'f', -1, 64)
	}), ";")
}

// scalars reads amounts of resources.
func scalars(flag, text string) (map[string]*mesospb.Value_Scalar, error) {
	list, err := resources.Parse(text, "")
	if err != nil {
		return nil, usagef("%s: %w", flag, err)
	}
	m := map[string]*mesospb.Value_Scalar{}
	for _, r := range list {
		if r.GetType() != mesospb.Value_SCALAR || !resources.IsUnreserved(r) || m[r.GetName()] != nil {
			return nil, usagef("%s %q: want amounts, each once and without a role, such as cpus:4;mem:4096", flag, text)
		}
		m[r.GetName()] = proto.CloneOf(r.GetScalar())
	}
	return m, nil
}

func newMasterWeights(o *operating) *cobra.Command {
	group := &cobra.Command{
		Use: "weights", Short: "Show and set weights of roles",
		Long:    "A role of weight 2 gets twice the share of one of weight 1, which roles have that no weight was set for.",
		Example: "  mesokit master weights set prod=3 test=0.5",
	}
	group.AddCommand(&cobra.Command{
		Annotations: printsTable(), Use: "show", Short: "Show weights that were set", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			weights, err := m.GetWeights(cmd.Context())
			if err != nil {
				return err
			}
			return emitWeights(cmd, weights)
		}),
	}, &cobra.Command{
		Annotations: printsTable(), Use: "set ROLE=WEIGHT…", Short: "Set weights; other roles keep theirs", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			weights := map[string]float64{}
			for _, arg := range args {
				role, text, _ := strings.Cut(arg, "=")
				w, err := strconv.ParseFloat(text, 64)
				if err != nil || !(w > 0) || math.IsInf(w, 0) || role == "" {
					return usagef("%q: want ROLE=WEIGHT, with a weight above 0, such as prod=2", arg)
				}
				weights[role] = w
			}
			return o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
				if err := m.UpdateWeights(cmd.Context(), weights); err != nil {
					return err
				}
				return emitWeights(cmd, weights)
			})(cmd, args)
		},
	})
	return group
}

func emitWeights(cmd *cobra.Command, weights map[string]float64) error {
	message := new(masterpb.Response_GetWeights)
	for _, role := range sortedKeys(weights) {
		message.WeightInfos = append(message.WeightInfos, &mesospb.WeightInfo{Role: &role, Weight: proto.Float64(weights[role])})
	}
	return emitMessage(cmd, message, func() string {
		if len(weights) == 0 {
			return noneOf(cmd, "No weight was set: all roles weigh 1.")
		}
		t := newTable(cmd, "role", "weight")
		for _, w := range message.WeightInfos {
			t.AppendRow(table.Row{w.GetRole(), w.GetWeight()})
		}
		return t.Render()
	})
}
