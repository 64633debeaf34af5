package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"unicode/utf8"
)

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
		return nil, malformed("Files are not accepted.")
	}
	return fromForm(r.MultipartForm.Value)
}

// fromForm returns the fields of a form as JSON strings. A checkbox sends "on", or "true" in Django's forms; setField accepts
// both.
func fromForm(form url.Values) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	for name, all := range form {
		if len(all) != 1 {
			return nil, malformed("The field %q occurs more than once.", name)
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

func isForm(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data"
}

// formTokenField is the field for the csrftoken in Django's forms. It is checked before the body is decoded.
const formTokenField = "csrfmiddlewaretoken"

// formToken returns the csrftoken in a form that is posted to one of our routes, or "" if there is none or the form is
// malformed. It restores the body so that it can be read again. A body that doesn't arrive in time is an error, since
// net/http has then canceled the request's context.
func (a *API) formToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.Method != http.MethodPost || !isForm(r) || !ours(r.URL.EscapedPath()) {
		return "", nil
	}
	body, err := readBody(w, r, a.BodyTimeout)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), endsWith{err}))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", errBodyLate
	}
	if err != nil {
		return "", nil
	}
	values, err := parse(r, body, true)
	var token string
	if err != nil || json.Unmarshal(values[formTokenField], &token) != nil {
		return "", nil
	}
	return token, nil
}

// endsWith is a reader that fails with err, or is empty if err is nil.
type endsWith struct{ err error }

func (e endsWith) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}
