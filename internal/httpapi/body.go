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

	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// decode reads a request's body into a struct whose fields are pointers to string, bool, int64 or a list of strings, with a json tag. An object
// with a field that the struct doesn't have, a field twice, or a value of another type is refused. A struct that is
// a formTaker takes HTML forms as well. An absent body leaves the struct as it is. A lenient decode passes over fields that
// the struct doesn't have, and over a Content-Encoding, as Django does; any other takes a body as it is alone.
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
		return problem.New(http.StatusBadRequest, "body_unreadable", "The request's body broke off.")
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

var errBodyLate = problem.New(http.StatusRequestTimeout, "body_unreadable", "The request's body didn't come in time.")

// bodyTimeout is how long the client may take to send a body, unless API.BodyTimeout says otherwise.
const bodyTimeout = 15 * time.Second

// readBody reads a request's body. If that fails, the deadline stays over, so that the server doesn't wait for the rest either.
// A server that is stricter about its requests stays so.
func readBody(w http.ResponseWriter, r *http.Request, limit time.Duration) ([]byte, error) {
	limit = cmp.Or(limit, bodyTimeout)
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ReadTimeout > 0 {
		limit = min(limit, s.ReadTimeout)
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(limit)) // what knows no deadlines has no slow client behind it
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		_ = conn.SetReadDeadline(time.Time{}) // else the request's context would end with it
	}
	return body, err
}

// formTaker is the input of a route that an HTML form may post to.
type formTaker interface{ takesForms() }

// parse returns the body's fields as JSON values.
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

// contentCoding returns what a request says its body is packed with; "" if with nothing. It is no part of the media type, so
// a body that can be read all the same isn't what it says it is (RFC 9110, sections 8.4 and 15.5.16).
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

// fields are the places of an input struct by their names on the wire.
type fields map[string]reflect.Value

func fieldsOf(in any) fields {
	v := reflect.ValueOf(in).Elem()
	f := fields{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("json"); name != "" {
			f[name] = v.Field(i)
		}
	}
	return f
}

// set puts the values in their places. What is wrong with them is said all at once.
func (f fields) set(values map[string]json.RawMessage, lenient bool) error {
	wrong := map[string][]string{}
	for name, raw := range values {
		place, known := f[name]
		if !known && lenient {
			continue
		}
		if !known {
			wrong[name] = []string{"Unknown field."}
			continue
		}
		if sentence := put(place, raw); sentence != "" {
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

// required returns the fields that are missing, in DRF's words.
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
