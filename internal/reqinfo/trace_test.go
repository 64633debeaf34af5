package reqinfo_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// logged returns the trace_id of a line that is logged for a request with these lines of traceparent.
func logged(lines ...string) string {
	var b bytes.Buffer
	q := reqinfo.New(context.Background(), netip.Addr{}, "")
	q.NoteTrace(http.Header{"Traceparent": lines})
	slog.New(reqinfo.LogHandler(slog.NewTextHandler(&b, nil))).InfoContext(q, "line")
	_, trace, _ := strings.Cut(strings.TrimSpace(b.String()), "trace_id=")
	return trace
}

const trace, rest = "0af7651916cd43dd8448eb211c80319c", "-b7ad6b7169203331-01"

func TestTheTraceIsLogged(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	for text, want := range map[string]string{
		"00-" + trace + rest:                   trace,
		"cc-" + trace + rest + "-more":         trace,
		"00-" + trace + rest + "-more":         "",
		"cc-" + trace + rest + "more":          "",
		"ff-" + trace + rest:                   "",
		"00-" + strings.ToUpper(trace) + rest:  "",
		"00-" + zeros + rest:                   "",
		"00-" + trace + "-0000000000000000-01": "",
		"00-" + trace + "-b7ad6b7169203331-":   "",
		"00-" + trace[:31] + "\n" + rest:       "",
		"00_" + trace + rest:                   "",
		"":                                     "",
		trace:                                  "",
	} {
		if got := logged(text); got != want {
			t.Errorf("%q is of the trace %q, want %q", text, got, want)
		}
	}
	if got := logged("00-"+trace+rest, "00-"+trace+rest); got != "" {
		t.Errorf("of two headers, %q is logged", got)
	}
	if got := logged(); got != "" {
		t.Errorf("without a header, %q is logged", got)
	}
}

func FuzzTrace(f *testing.F) {
	f.Add("00-" + trace + rest)
	f.Add("cc-" + trace + rest + "-x")
	form := regexp.MustCompile(`^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[\s\S]*)?)$`)
	f.Fuzz(func(t *testing.T, text string) {
		got := logged(text)
		if got != "" && (!form.MatchString(text) || !strings.Contains(text, got)) {
			t.Errorf("%q is of the trace %q", text, got)
		}
	})
}
