package fronttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// errCut says that the client itself went away.
var errCut = errors.New("cut off")

func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// who demands that the application takes a request for this user's, and gets that user's path and body.
func who(client *http.Client, r *http.Request, name string) error {
	answer, err := client.Do(r)
	if err != nil && r.Context().Err() != nil {
		return errCut
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var s seen
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		if r.Context().Err() != nil {
			return errCut
		}
		return fmt.Errorf("%d: %w", answer.StatusCode, err)
	}
	if s.CGI["HTTP_REMOTE_USER"] != name || s.URI != "/open/"+name || s.Body != int64(len(name)) {
		return fmt.Errorf("%q is taken for %q at %s", name, s.CGI["HTTP_REMOTE_USER"], s.URI)
	}
	return nil
}
