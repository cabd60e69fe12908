package apiclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Backup opens the whole state as one file, in the format of store.Backup. The caller reads it to its end, with store.SaveBackup or
// store.ReadBackup, which notice an answer that broke off, and closes it. It takes a token that may write.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	resp, err := c.open(ctx, call{method: http.MethodGet, path: "/v1/backup", stream: true})
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return resp.Body, nil
}
