package apiclient

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/mesokit/mesokit/framework/core"
)

func get(path string, query url.Values) call {
	return call{method: http.MethodGet, path: path, query: query}
}

func appPath(name string) string { return "/v1/apps/" + url.PathEscape(name) }

// list reads all pages of a list.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", "1000")
	all := []T{}
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := c.do(ctx, get(path, query), &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Items...); page.Next == "" {
			return all, nil
		}
		query.Set("after", page.Next)
	}
}

func one[T any](ctx context.Context, c *Client, path string) (*T, error) {
	v := new(T)
	if err := c.do(ctx, get(path, nil), v); err != nil {
		return nil, err
	}
	return v, nil
}

// command gives the engine a command and returns what is going to happen, for humans.
func (c *Client) command(ctx context.Context, method, path string, query url.Values, body any) (string, error) {
	k := call{method: method, path: path, query: query}
	switch b := body.(type) {
	case nil:
	case json.RawMessage:
		k.body = b
	default:
		var err error
		if k.body, err = json.Marshal(body); err != nil {
			return "", err
		}
	}
	var done struct{ Text string }
	err := c.do(ctx, k, &done)
	return done.Text, err
}

func forced(force bool) url.Values {
	if force {
		return url.Values{"force": {"true"}}
	}
	return nil
}

// Status returns how the scheduler that is asked stands; it need not lead.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return one[Status](ctx, c, "/v1/status")
}

// Apps returns all applications by name.
func (c *Client) Apps(ctx context.Context) ([]App, error) { return list[App](ctx, c, "/v1/apps", nil) }

// App returns one application.
func (c *Client) App(ctx context.Context, name string) (*AppDetails, error) {
	return one[AppDetails](ctx, c, appPath(name))
}

// Version returns the definition of a version that is kept.
func (c *Client) Version(ctx context.Context, name string, version uint32) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.do(ctx, get(appPath(name)+"/versions/"+strconv.FormatUint(uint64(version), 10), nil), &raw)
	return raw, err
}

// SubmitOptions of Submit.
type SubmitOptions struct {
	// Force replaces a deployment that is under way.
	Force bool
	// KeepInstances ignores the number of instances if the application exists.
	KeepInstances bool
	// Only the application of this name is meant; "" takes the definition's.
	Name string
}

// Submit adds an application or updates it: the definition is JSON, see app.Parse. A definition that is refused gives a *Problem with
// Errors.
func (c *Client) Submit(ctx context.Context, definition []byte, o SubmitOptions) (string, error) {
	query := o.query()
	if o.Name != "" {
		return c.command(ctx, http.MethodPut, appPath(o.Name), query, json.RawMessage(definition))
	}
	return c.command(ctx, http.MethodPost, "/v1/apps", query, json.RawMessage(definition))
}

// Submission is what becomes of an application that was submitted with others.
type Submission struct {
	App  string `json:"app"`
	Text string `json:"text"`
}

// SubmitAll submits several applications, all or none: after an error none was taken in. Options.Name is not used.
func (c *Client) SubmitAll(ctx context.Context, definitions [][]byte, o SubmitOptions) ([]Submission, error) {
	var body struct {
		Apps []json.RawMessage `json:"apps"`
	}
	for _, d := range definitions {
		body.Apps = append(body.Apps, d)
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var page struct{ Items []Submission }
	err = c.do(ctx, call{method: http.MethodPost, path: "/v1/submissions", query: o.query(), body: data}, &page)
	return page.Items, err
}

func (o *SubmitOptions) query() url.Values {
	query := url.Values{}
	if o.Force {
		query.Set("force", "true")
	}
	if o.KeepInstances {
		query.Set("keep_instances", "true")
	}
	return query
}

// History returns what happened to an application, the oldest first, over restarts of the scheduler.
func (c *Client) History(ctx context.Context, name string) ([]Note, error) {
	var page struct{ Items []Note }
	err := c.do(ctx, get(appPath(name)+"/history", nil), &page)
	return page.Items, err
}

// Remove kills all instances, destroys their volumes and forgets the application. Until volumes and reservations are given back they are Leftovers. With
// force, what is on agents that are cut off is given up; the answer lists it. That also goes for an application that is removed and has leftovers.
func (c *Client) Remove(ctx context.Context, name string, force bool) (string, error) {
	var query url.Values
	if force {
		query = url.Values{"force": {"true"}}
	}
	return c.command(ctx, http.MethodDelete, appPath(name), query, nil)
}

// Leftovers returns what instances that are gone have left on agents.
func (c *Client) Leftovers(ctx context.Context) ([]Leftover, error) {
	return list[Leftover](ctx, c, "/v1/leftovers", nil)
}

// Scale sets the number of instances.
func (c *Client) Scale(ctx context.Context, name string, instances int) (string, error) {
	return c.command(ctx, http.MethodPost, appPath(name)+"/scale", nil, map[string]int{"instances": instances})
}

// Restart replaces all instances under the rules for updates.
func (c *Client) Restart(ctx context.Context, name string, force bool) (string, error) {
	return c.command(ctx, http.MethodPost, appPath(name)+"/restart", forced(force), nil)
}

// Steer is what can be done with a deployment.
type Steer string

// What can be done with a deployment.
const (
	Pause    Steer = "pause"
	Resume   Steer = "resume"
	Promote  Steer = "promote"
	Rollback Steer = "rollback"
)

// SteerOptions of Steer. The zero value is what is meant most of the time.
type SteerOptions struct {
	// Force has Promote go on even though the canaries have failed.
	Force bool
	// To is the version that Rollback returns to; 0: the one before.
	To uint32
}

// Steer pauses, resumes, promotes or rolls back the deployment of an application.
func (c *Client) Steer(ctx context.Context, name string, what Steer, o SteerOptions) (string, error) {
	query := forced(o.Force)
	if o.To != 0 {
		query = url.Values{"to": {strconv.FormatUint(uint64(o.To), 10)}}
	}
	return c.command(ctx, http.MethodPost, appPath(name)+"/deployment/"+string(what), query, nil)
}

func instancePath(name string, index int) string {
	return appPath(name) + "/instances/" + strconv.Itoa(index)
}

// Instance returns one instance.
func (c *Client) Instance(ctx context.Context, name string, index int) (*Task, error) {
	return one[Task](ctx, c, instancePath(name, index))
}

// RestartInstance kills one instance, which starts again at once.
func (c *Client) RestartInstance(ctx context.Context, name string, index int) (string, error) {
	return c.command(ctx, http.MethodPost, instancePath(name, index)+"/restart", nil, nil)
}

// ReplaceInstance gives up on an instance where it is; it starts again anywhere, without its volumes.
func (c *Client) ReplaceInstance(ctx context.Context, name string, index int) (string, error) {
	return c.command(ctx, http.MethodPost, instancePath(name, index)+"/replace", nil, nil)
}

// Why explains why one instance does not run.
func (c *Client) Why(ctx context.Context, name string, index int) (*Why, error) {
	return one[Why](ctx, c, instancePath(name, index)+"/why")
}

// Explanations explains all instances that do not run, of the applications named, or of all.
func (c *Client) Explanations(ctx context.Context, apps ...string) ([]Why, error) {
	return list[Why](ctx, c, "/v1/explanations", values("app", apps))
}

// Conditions returns what is not as it should be with the applications named, or with the scheduler and all applications.
func (c *Client) Conditions(ctx context.Context, apps ...string) ([]Condition, error) {
	var page struct{ Items []Condition }
	err := c.do(ctx, get("/v1/conditions", values("app", apps)), &page)
	return page.Items, err
}

func values(name string, all []string) url.Values {
	if len(all) == 0 {
		return nil
	}
	return url.Values{name: all}
}

// TaskFilter selects instances; the zero value selects all.
type TaskFilter struct {
	Apps   []string
	States []string
	Agent  string
}

// Tasks returns instances and their tasks.
func (c *Client) Tasks(ctx context.Context, f TaskFilter) ([]Task, error) {
	query := url.Values{}
	if len(f.Apps) > 0 {
		query["app"] = f.Apps
	}
	if len(f.States) > 0 {
		query["state"] = f.States
	}
	if f.Agent != "" {
		query.Set("agent", f.Agent)
	}
	return list[Task](ctx, c, "/v1/tasks", query)
}

// Deployments returns the last deployment of each application, or only those under way.
func (c *Client) Deployments(ctx context.Context, active bool) ([]Deployment, error) {
	var page struct{ Items []Deployment }
	err := c.do(ctx, get("/v1/deployments", url.Values{"active": {strconv.FormatBool(active)}}), &page)
	return page.Items, err
}

// Agents returns the agents that were offered or that tasks are on.
func (c *Client) Agents(ctx context.Context) ([]Agent, error) {
	return list[Agent](ctx, c, "/v1/agents", nil)
}

// Orphans returns the tasks of the framework that the engine does not know.
func (c *Client) Orphans(ctx context.Context) ([]Orphan, error) {
	return list[Orphan](ctx, c, "/v1/orphans", nil)
}

// Adopt makes an orphan an instance of an application; index -1 takes the first one that does not run, or
// adds one if all do.
func (c *Client) Adopt(ctx context.Context, taskID, name string, index int) (string, error) {
	body := map[string]any{"task_id": taskID, "app": name}
	if index >= 0 {
		body["index"] = index
	} else {
		body["grow"] = true
	}
	return c.command(ctx, http.MethodPost, "/v1/orphans/adopt", nil, body)
}

// KillOrphan kills an orphan, with the id "" all of them.
func (c *Client) KillOrphan(ctx context.Context, taskID string) (string, error) {
	body := map[string]any{"task_id": taskID}
	if taskID == "" {
		body = map[string]any{"all": true}
	}
	return c.command(ctx, http.MethodPost, "/v1/orphans/kill", nil, body)
}

// Guard returns why the engine refuses to act, nil if it does not.
func (c *Client) Guard(ctx context.Context) (*Guard, error) {
	var v struct{ Guard *Guard }
	err := c.do(ctx, get("/v1/guard", nil), &v)
	return v.Guard, err
}

// Resolve ends the guard.
func (c *Client) Resolve(ctx context.Context, frameworkID string, choice core.Choice) (string, error) {
	return c.command(ctx, http.MethodPost, "/v1/guard/resolve", nil, map[string]any{"framework_id": frameworkID, "choice": choice})
}

// Uninstall removes all applications with their volumes and reservations, and then the framework, whose name confirms it. It cannot
// be undone.
func (c *Client) Uninstall(ctx context.Context, name string, force bool) (string, error) {
	return c.command(ctx, http.MethodPost, "/v1/uninstall", nil, map[string]any{"confirm": name, "force": force})
}
