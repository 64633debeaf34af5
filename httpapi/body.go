package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// decode reads a request's body into a struct whose fields are pointers to string or bool with a json tag. An object
// with a field that the struct doesn't have, a field twice, or a value of another type is refused. A struct that embeds
// formToo takes HTML forms as well. An absent body leaves the struct as it is.
func decode(w http.ResponseWriter, r *http.Request, in any) error {
	fields := fieldsOf(in)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The request's body is over 64 KiB.")
	}
	if err != nil {
		return problem.New(http.StatusBadRequest, "body_unreadable", "The request's body broke off.")
	}
	if len(body) == 0 {
		return nil
	}
	values, err := parse(r, body, formAllowed(in))
	if err != nil {
		return err
	}
	return fields.set(values)
}

// formToo marks the input of a route that an HTML form may post to.
type formToo struct{}

func formAllowed(in any) bool {
	_, ok := reflect.TypeOf(in).Elem().FieldByName("formToo")
	return ok
}

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

func unsupported(r *http.Request) error {
	return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type",
		fmt.Sprintf("Unsupported media type %q in request.", r.Header.Get("Content-Type")))
}

func malformed(format string, args ...any) error {
	return problem.New(http.StatusBadRequest, "malformed_body", fmt.Sprintf(format, args...))
}

// parseJSON accepts one flat object. encoding/json alone would let a repeated key's last value win and replace bad UTF-8.
func parseJSON(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, malformed("JSON parse error - the body is not UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	start, err := d.Token()
	if err != nil {
		return nil, malformed("JSON parse error - %v.", err)
	}
	if start != json.Delim('{') {
		return nil, malformed("Invalid data. Expected an object.")
	}
	values := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, malformed("JSON parse error - %v.", err)
		}
		name := key.(string) // the decoder lets nothing else be a key
		if _, twice := values[name]; twice {
			return nil, malformed("The field %q is there twice.", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, malformed("JSON parse error - %v.", err)
		}
		values[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed("JSON parse error - %v.", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("JSON parse error - there is something after the object.")
	}
	return values, nil
}

func parseForm(body []byte) (map[string]json.RawMessage, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("Form parse error - %v.", err)
	}
	return fromForm(form)
}

func parseMultipart(body []byte, boundary string) (map[string]json.RawMessage, error) {
	r := &http.Request{
		Method: http.MethodPost, Body: io.NopCloser(bytes.NewReader(body)),
		Header: http.Header{"Content-Type": {mime.FormatMediaType("multipart/form-data", map[string]string{"boundary": boundary})}},
	}
	if err := r.ParseMultipartForm(maxBody); err != nil {
		return nil, malformed("Multipart parse error - %v.", err)
	}
	defer r.MultipartForm.RemoveAll()
	if len(r.MultipartForm.File) > 0 {
		return nil, malformed("Files are not taken here.")
	}
	return fromForm(r.MultipartForm.Value)
}

// fromForm turns what a form says into the JSON that would say the same. Boxes send "on", and "true" as Django reads it.
func fromForm(form url.Values) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	for name, all := range form {
		if len(all) != 1 {
			return nil, malformed("The field %q is there twice.", name)
		}
		if !utf8.ValidString(name) || !utf8.ValidString(all[0]) {
			return nil, malformed("Form parse error - the body is not UTF-8.")
		}
		quoted, err := json.Marshal(all[0])
		if err != nil {
			return nil, malformed("Form parse error - %v.", err)
		}
		values[name] = quoted
	}
	return values, nil
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
func (f fields) set(values map[string]json.RawMessage) error {
	wrong := map[string][]string{}
	for name, raw := range values {
		place, known := f[name]
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

// put decodes one value, and returns what is wrong with it in DRF's words.
func put(place reflect.Value, raw json.RawMessage) string {
	if string(raw) == "null" {
		return "This field may not be null."
	}
	switch into := place.Addr().Interface().(type) {
	case **string:
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return "Not a valid string."
		}
		if strings.ContainsRune(s, 0) {
			return "Null characters are not allowed."
		}
		if strings.ContainsRune(s, utf8.RuneError) && hasLoneSurrogate(raw) {
			return "Not a valid string."
		}
		*into = &s
	case **bool:
		b, ok := boolean(raw)
		if !ok {
			return "Must be a valid boolean."
		}
		*into = &b
	default:
		panic("httpapi: an input field is neither *string nor *bool")
	}
	return ""
}

// boolean reads JSON's booleans, and as strings the words that HTML forms and DRF's BooleanField use.
func boolean(raw json.RawMessage) (value, ok bool) {
	switch strings.ToLower(string(raw)) {
	case `true`, `"true"`, `"on"`, `"1"`:
		return true, true
	case `false`, `"false"`, `"off"`, `"0"`, `""`:
		return false, true
	}
	return false, false
}

// hasLoneSurrogate reports whether a JSON string holds a \u escape that is half a character: decoding turns those into
// U+FFFD, and two different passwords into one. An honest U+FFFD stands there as itself or as its own escape.
func hasLoneSurrogate(raw json.RawMessage) bool {
	lower := strings.ToLower(string(raw))
	honest := strings.Count(lower, "�") + strings.Count(lower, `\ufffd`)
	var s string
	return json.Unmarshal(raw, &s) != nil || strings.Count(s, "�") != honest
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
