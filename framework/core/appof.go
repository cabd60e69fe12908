package core

import (
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/placement"
)

// AppOf returns the application that a demand of a placement cycle is of, nil if it is none of this core's. It is for parts of the placer,
// such as app.AttributeFilter, and may be called from these only.
func (c *Core) AppOf(d *placement.Demand) *app.App {
	if a := c.byName[d.Group]; a != nil {
		for _, v := range a.versions {
			if v.demand == d {
				return v.app
			}
		}
	}
	return nil
}
