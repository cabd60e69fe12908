package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/recordio"
)

// An answer is what came back for a request that was sent record by record.
type answer struct {
	response *http.Response
	err      error
}

// sendRecords sends a request record by record, each when what was recorded before it has come and the recorded client
// had waited, and returns the answer. As the recorder did, it ends the request after the last record where that was
// answered with success, and else keeps it open until the answer comes.
func (r *replay) sendRecords(ctx context.Context, e *Exchange, req *http.Request) (*http.Response, error) {
	body, writer := io.Pipe()
	defer writer.Close()
	req.Body, req.ContentLength, req.GetBody = body, -1, nil
	r.answer = nil
	r.readers.Go(func() {
		response, err := r.client.Do(req)
		r.answers <- answer{response, err}
	})
	previous := e.At
	for i, record := range e.Request.Records {
		if err := r.awaitRecorded(ctx, record.At, previous, fmt.Sprintf("record %d of %s", i, e.Label())); err != nil {
			return nil, err
		}
		if err := r.pause(ctx, record.At, r.lastEvent(record.At, previous)); err != nil {
			return nil, err
		}
		if r.answer != nil {
			break
		}
		var missing []string
		value := transform(record.Value, "", func(key string, v any) (any, bool) { return r.ours(key, v, &missing) })
		if _, err := writer.Write(recordio.AppendFrame(nil, []byte(encode(value)))); err != nil {
			break // answered already, and not read any more
		}
		previous = record.At
	}
	answered := func() bool { return r.answer != nil }
	if e.Response.Status == http.StatusOK {
		writer.Close()
	} else if _, err := r.until(ctx, r.opts.Slack, answered); err != nil {
		return nil, err
	}
	writer.Close()
	if _, err := r.until(ctx, answerTimeout, answered); err != nil {
		return nil, err
	}
	if r.answer == nil {
		return nil, errors.New("no answer came")
	}
	got := *r.answer
	r.answer = nil
	return got.response, got.err
}

// agentBase is the URL of the agent that the capture is about, or says why there is none.
func (r *replay) agentBase(ctx context.Context) (base, unsent string, err error) {
	id := ""
	for _, s := range r.streams {
		for _, o := range s.recOffers.offers {
			if id == "" {
				id = r.ids.there[o.agent]
			}
		}
	}
	agents, err := agentsOf(ctx, strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		return "", "", err
	}
	for _, a := range agents {
		if text(a, "agent_info", "id", "value") == id {
			if _, address, ok := strings.Cut(text(a, "pid"), "@"); ok {
				return "http://" + address, "", nil
			}
		}
	}
	return "", "the agent to which it goes is not known", nil
}

// agentsOf lists the agents of a master, as GET_AGENTS has them.
func agentsOf(ctx context.Context, master string) ([]any, error) {
	got, err := ask(ctx, http.MethodPost, "http://"+master+"/api/v1", map[string]any{"type": "GET_AGENTS"})
	return list(got, "get_agents", "agents"), err
}

// awaitOutput waits until a command task has written something to its stdout.
func awaitOutput(ctx context.Context, master, task, wanted string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		agents, err := agentsOf(ctx, master)
		if err != nil {
			return err
		}
		for _, a := range agents {
			_, address, _ := strings.Cut(text(a, "pid"), "@")
			state, err := ask(ctx, http.MethodGet, "http://"+address+"/state", nil)
			if err != nil {
				return err
			}
			for _, f := range list(state, "frameworks") {
				for _, x := range list(f, "executors") {
					if text(x, "id") != task {
						continue
					}
					path := url.QueryEscape(text(x, "directory") + "/stdout")
					read, err := ask(ctx, http.MethodGet, "http://"+address+"/files/read?offset=0&length=4096&path="+path, nil)
					if err == nil && strings.Contains(text(read, "data"), wanted) {
						return nil
					}
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("conformance: task %s has not written %q: %w", task, wanted, ctx.Err())
		}
	}
}

// aside is the user agent of requests that are not part of a recording.
const aside = "conformance (aside)"

// ask makes a request that is not part of a recording, and returns the answer.
func ask(ctx context.Context, method, url string, body any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var content []byte
	if body != nil {
		content = []byte(encode(body))
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", aside)
	req.Close = true
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", response.Status, data)
	}
	if err != nil || len(data) == 0 {
		return nil, wrap(method, url, err)
	}
	v, err := decode(data)
	return v, wrap(method, url, err)
}

func wrap(method, url string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("conformance: %s %s: %w", method, url, err)
}
