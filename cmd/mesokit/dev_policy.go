package main

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// devPolicy are the flags of dev that say what masters offer to whom, by their names in mesos-master.
type devPolicy struct {
	offerTimeout   time.Duration
	minAllocatable string
	roles, weights string
	rateLimits     string
	domain         string
	agentDomain    string
}

func (p *devPolicy) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&p.offerTimeout, "offer-timeout", 0, "rescind offers that nobody has used for so long; 0 for never")
	f.StringVar(&p.minAllocatable, "min-allocatable", "", "what is worth an offer, as mesos-master --min_allocatable_resources (default cpus:0.01|mem:32)")
	f.StringVar(&p.roles, "roles", "", "roles that frameworks may use, ROLE,…, as mesos-master --roles (default any)")
	f.StringVar(&p.weights, "weights", "", "weights of roles, ROLE=WEIGHT,…, as mesos-master --weights")
	f.StringVar(&p.rateLimits, "rate-limits", "", "file with how fast frameworks may call, or the JSON itself, as mesos-master --rate_limits")
	f.StringVar(&p.domain, "domain", "", "fault domain of the masters, REGION/ZONE (default that of the agents)")
	f.StringVar(&p.agentDomain, "agent-domain", "", "fault domain of each agent, REGION/ZONE")
}

// apply puts the flags into the configuration of a cluster.
func (p *devPolicy) apply(cfg *cluster.Config) error {
	if p.offerTimeout < 0 {
		return usagef("--offer-timeout %v: want 0 or more", p.offerTimeout)
	}
	if _, err := cluster.ParseMinAllocatable(p.minAllocatable); err != nil {
		return usagef("--min-allocatable: %w", err)
	}
	for flag, text := range map[string]string{"--domain": p.domain, "--agent-domain": p.agentDomain} {
		if _, err := cluster.ParseDomain(text); err != nil {
			return usagef("%s: %w", flag, err)
		}
	}
	cfg.Domain = p.domain
	for i := range cfg.Agents {
		cfg.Agents[i].Domain = p.agentDomain
	}
	weights, err := parseWeights(p.weights)
	if err != nil {
		return err
	}
	limits, err := p.limits()
	if err != nil {
		return err
	}
	cfg.Policy = cluster.Policy{OfferTimeout: p.offerTimeout, MinAllocatable: p.minAllocatable, Weights: weights, RateLimits: limits}
	if p.roles != "" {
		cfg.Policy.Roles = strings.Split(p.roles, ",")
	}
	return nil
}

// parseWeights reads ROLE=WEIGHT,….
func parseWeights(text string) (map[string]float64, error) {
	if text == "" {
		return nil, nil
	}
	weights := map[string]float64{}
	for entry := range strings.SplitSeq(text, ",") {
		role, value, _ := strings.Cut(entry, "=")
		w, err := strconv.ParseFloat(value, 64)
		if _, twice := weights[role]; err != nil || !(w > 0 && w < 1e300) || role == "" || twice {
			return nil, usagef("--weights %q: want ROLE=WEIGHT,… with positive weights, each role once (so far %s)", text, strings.Join(slices.Sorted(maps.Keys(weights)), ", "))
		}
		weights[role] = w
	}
	return weights, nil
}

// limits reads --rate-limits.
func (p *devPolicy) limits() (*mesospb.RateLimits, error) {
	if p.rateLimits == "" {
		return nil, nil
	}
	text, name := []byte(p.rateLimits), "--rate-limits"
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		name += " " + p.rateLimits
		var err error
		if text, err = os.ReadFile(p.rateLimits); err != nil {
			return nil, usagef("--rate-limits: %w", err)
		}
	}
	limits := &mesospb.RateLimits{}
	if err := codec.JSON.Unmarshal(text, limits); err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return limits, nil
}
