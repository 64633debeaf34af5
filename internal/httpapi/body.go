package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// maxBody is the largest accepted request body, in bytes.
const maxBody = 64 << 10

// decode decodes a request's body into the struct in. The fields of the struct are pointers to string, bool, int64, []string or idList, or the text
// of an object (json.RawMessage), and have json tags; structs that it embeds count as part of it. decode refuses an object with an unknown
// field, a duplicate field, or a value of another type. If in is a formTaker, HTML forms are accepted as well. An absent body leaves the
// struct unchanged. If lenient is set, unknown fields and a Content-Encoding are ignored, as Django does; otherwise a body with a
// Content-Encoding is refused.
func decode(w http.ResponseWriter, r *http.Request, limit time.Duration, in any, lenient bool) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	body, err := readBody(w, r, limit)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The request's body is over 64 KiB.")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errBodyLate
	}
	if err != nil {
		return problem.New(http.StatusBadRequest, "body_unreadable", "The request's body ended early.")
	}
	if len(body) == 0 {
		return nil
	}
	if coding := contentCoding(r); coding != "" && !lenient {
		w.Header().Set("Accept-Encoding", "identity")
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type",
			fmt.Sprintf("Unsupported content encoding %q in request. Send the body as it is.", coding))
	}
	_, form := in.(formTaker)
	values, err := parse(r, body, form)
	if err != nil {
		return err
	}
	if isForm(r) {
		delete(values, formTokenField)
	}
	return fieldsOf(in).set(values, lenient)
}

var errBodyLate = problem.New(http.StatusRequestTimeout, "body_unreadable", "The request's body didn't arrive in time.")

// bodyTimeout is the default of API.BodyTimeout.
const bodyTimeout = 15 * time.Second

// readBody reads a request's body within the limit, or within the server's ReadTimeout if that is shorter. If it fails, the
// expired deadline stays set, so that net/http doesn't wait for the rest of the body either.
func readBody(w http.ResponseWriter, r *http.Request, limit time.Duration) ([]byte, error) {
	limit = cmp.Or(limit, bodyTimeout)
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ReadTimeout > 0 {
		limit = min(limit, s.ReadTimeout)
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(limit)) // a writer without deadlines, as in tests, has no slow client
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		_ = conn.SetReadDeadline(time.Time{}) // otherwise the deadline would cancel the request's context
	}
	return body, err
}

// formTaker is the input of a route that accepts HTML forms.
type formTaker interface{ takesForms() }

// parse returns the fields of the body as JSON values.
func parse(r *http.Request, body []byte, form bool) (map[string]json.RawMessage, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || (named && !strings.EqualFold(charset, "utf-8")) {
		return nil, unsupported(r)
	}
	switch {
	case kind == "application/json":
		return parseJSON(body)
	case form && kind == "application/x-www-form-urlencoded":
		return parseForm(body)
	case form && kind == "multipart/form-data":
		return parseMultipart(body, params["boundary"])
	}
	return nil, unsupported(r)
}

// contentCoding returns the content coding of a request's body, or "" if there is none (RFC 9110, section 8.4). A body with one
// must be refused with 415 even if it can be parsed, since it isn't what the header says (section 15.5.16).
func contentCoding(r *http.Request) string {
	coding := strings.Join(r.Header.Values("Content-Encoding"), ", ")
	if strings.EqualFold(coding, "identity") {
		return ""
	}
	return coding
}

func unsupported(r *http.Request) error {
	return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type",
		fmt.Sprintf("Unsupported media type %q in request.", r.Header.Get("Content-Type")))
}

func malformed(format string, args ...any) error {
	return problem.New(http.StatusBadRequest, "malformed_body", fmt.Sprintf(format, args...))
}

// fields maps the JSON names of an input struct to its fields.
type fields map[string]reflect.Value

func fieldsOf(in any) fields {
	v := reflect.ValueOf(in).Elem()
	f := fields{}
	for _, field := range reflect.VisibleFields(v.Type()) {
		if name := field.Tag.Get("json"); name != "" {
			f[name] = v.FieldByIndex(field.Index)
		}
	}
	return f
}

// set sets the fields to the values. The error names every value that is wrong.
func (f fields) set(values map[string]json.RawMessage, lenient bool) error {
	wrong := map[string][]string{}
	for name, raw := range values {
		field, known := f[name]
		if !known && lenient {
			continue
		}
		if !known {
			wrong[name] = []string{"Unknown field."}
			continue
		}
		if sentence := setField(field, raw); sentence != "" {
			wrong[name] = []string{sentence}
		}
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	return nil
}

func invalid(wrong map[string][]string) error {
	return &problem.Problem{
		Status: http.StatusBadRequest, Code: "invalid", Detail: "Some fields are not right.", Fields: wrong,
	}
}

// required returns an error that names the missing fields, with the text of Django REST framework.
func required(given map[string]*string) error {
	wrong := map[string][]string{}
	for name, value := range given {
		if value == nil {
			wrong[name] = []string{"This field is required."}
		}
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	return nil
}

// requiredEmail parses the field email of a body.
func requiredEmail(given *string) (string, error) {
	if err := required(map[string]*string{"email": given}); err != nil {
		return "", err
	}
	return account.ParseEmail(*given)
}
