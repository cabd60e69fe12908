package cluster

import (
	"fmt"
	"strings"
	"time"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/master"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Policy says what masters offer to whom. The zero value is that of a Mesos master without flags; each field stands for a flag of
// mesos-master.
type Policy struct {
	// OfferTimeout is after how long unused offers are rescinded (--offer_timeout); 0 means never.
	OfferTimeout time.Duration
	// MinAllocatable is what is worth an offer (--min_allocatable_resources), such as "cpus:0.01|mem:32": one of the parts, each of
	// scalars, must be in it. Empty means just that; "|" means that anything is.
	MinAllocatable string
	// Roles that frameworks may use (--roles, deprecated in Mesos); nil means any.
	Roles []string
	// Weights of roles; those that are not named have 1 (--weights).
	Weights map[string]float64
	// RateLimits bounds how many calls a second frameworks of a principal may make (--rate_limits); nil bounds none. In contrast to
	// Mesos, which limits only frameworks that use the old driver, they hold for the V1 API.
	RateLimits *mesospb.RateLimits
	// RefuseRoot refuses frameworks whose user is root (--no-root_submissions).
	RefuseRoot bool
	// OfferGPUsToAll offers agents with GPUs to frameworks without GPU_RESOURCES too (--no-filter_gpu_resources).
	OfferGPUsToAll bool
}

// apply puts the policy into the configuration of a master.
func (p *Policy) apply(cfg *master.Config) (err error) {
	cfg.OfferTimeout, cfg.Roles, cfg.Weights = p.OfferTimeout, p.Roles, p.Weights
	cfg.RateLimits, cfg.RefuseRoot, cfg.OfferGPUsToAll = p.RateLimits, p.RefuseRoot, p.OfferGPUsToAll
	cfg.MinAllocatable, err = ParseMinAllocatable(p.MinAllocatable)
	return err
}

// ParseMinAllocatable reads what Policy.MinAllocatable holds. The empty text is nil.
func ParseMinAllocatable(text string) ([]allocator.Quantities, error) {
	if text == "" {
		return nil, nil
	}
	sets := []allocator.Quantities{}
	if strings.TrimSpace(text) == "|" {
		return sets, nil
	}
	for part := range strings.SplitSeq(text, "|") {
		list, err := resources.Parse(part, resources.Unreserved)
		if err != nil {
			return nil, fmt.Errorf("cluster: minimum of an offer %q: %w", text, err)
		}
		set := allocator.QuantitiesOf(list)
		if len(set) == 0 || len(set) != len(list) {
			return nil, fmt.Errorf("cluster: minimum of an offer %q: want scalars, such as cpus:0.01|mem:32", text)
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// domain is the fault domain of the masters: what is configured or, as agents with a domain are nowhere without it, that of the first
// agent which has one.
func (cfg *Config) domain() (*mesospb.DomainInfo, error) {
	text := cfg.Domain
	for _, a := range cfg.Agents {
		if text != "" {
			break
		}
		text = a.Domain
	}
	return ParseDomain(text)
}
