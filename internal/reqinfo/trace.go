package reqinfo

import (
	"net/http"
	"strings"
)

// NoteTrace takes the ID of the trace that a request is part of from its header traceparent (W3C Trace Context, section 3.2).
// Log lines of the request have it. A header that isn't well formed, or is there twice, names no trace.
func (q *Request) NoteTrace(h http.Header) {
	if lines := h["Traceparent"]; len(lines) == 1 {
		q.trace = traceID(lines[0])
	}
}

// traceID returns the trace-id of a traceparent: VERSION-TRACE-PARENT-FLAGS. Later versions may have more after a further dash.
// It returns "" if the text isn't well formed.
func traceID(text string) string {
	const size = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(text) < size || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return ""
	}
	version, trace, parent, flags := text[:2], text[3:35], text[36:52], text[53:55]
	switch {
	case !isHex(version) || !isHex(trace) || !isHex(parent) || !isHex(flags):
		return ""
	case version == "ff", version == "00" && len(text) > size, len(text) > size && text[size] != '-':
		return ""
	case strings.Trim(trace, "0") == "", strings.Trim(parent, "0") == "":
		return ""
	}
	return trace
}

// isHex reports whether the text is lower-case hexadecimal.
func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }
