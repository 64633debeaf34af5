package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// parseJSON returns the members of a JSON object. encoding/json alone would accept duplicate names, and replace invalid UTF-8.
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
		return nil, notAnObject(start)
	}
	values := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, malformed("JSON parse error - %v.", err)
		}
		name := key.(string) // the decoder accepts only strings as names
		if _, twice := values[name]; twice {
			return nil, malformed("The field %q occurs more than once.", name)
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
		return nil, malformed("JSON parse error - the body goes on after the object.")
	}
	return values, nil
}

// notAnObject returns the error for a body that is another JSON value. The compatibility routes send the text of Django REST
// framework.
func notAnObject(start json.Token) error {
	kind := "NoneType"
	switch v := start.(type) {
	case json.Delim:
		kind = "list"
	case string:
		kind = "str"
	case bool:
		kind = "bool"
	case float64:
		if kind = "int"; v != math.Trunc(v) {
			kind = "float"
		}
	}
	p := problem.New(http.StatusBadRequest, "malformed_body", "Invalid data. Expected an object.")
	p.Plain = map[string]any{"non_field_errors": []string{"Invalid data. Expected a dictionary, but got " + kind + "."}}
	return p
}

// setField decodes a value into a field. If the value is wrong, it returns the text of Django REST framework for that.
func setField(field reflect.Value, raw json.RawMessage) string {
	if string(raw) == "null" {
		return "This field may not be null."
	}
	switch into := field.Addr().Interface().(type) {
	case **string:
		s, sentence := decodeString(raw)
		if sentence != "" {
			return sentence
		}
		*into = &s
	case **[]string:
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			return "Expected a list of items."
		}
		list := make([]string, len(items))
		for i, item := range items {
			var sentence string
			if list[i], sentence = decodeString(item); sentence != "" {
				return sentence
			}
		}
		*into = &list
	case **idList:
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			return "Expected a list of items."
		}
		list := make(idList, len(items))
		for i, item := range items {
			var sentence string
			if list[i], sentence = decodeID(item); sentence != "" {
				return sentence
			}
		}
		*into = &list
	case *json.RawMessage:
		if raw[0] != '{' {
			return "Expected an object."
		}
		*into = raw
	case **int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return "A valid integer is required."
		}
		*into = &n
	case **bool:
		b, ok := decodeBool(raw)
		if !ok {
			return "Must be a valid boolean."
		}
		*into = &b
	default:
		panic("httpapi: an input field has a type that can't be decoded")
	}
	return ""
}

// idList are IDs, each of which may be a number or a string in JSON, as the API itself writes them.
type idList []string

// decodeID decodes an ID. If it is wrong, the sentence says why.
func decodeID(raw json.RawMessage) (id, sentence string) {
	const wrong = "Not a valid ID."
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		if n < 1 {
			return "", wrong
		}
		return strconv.FormatInt(n, 10), ""
	}
	if id, sentence = decodeString(raw); sentence == "Not a valid string." || sentence == "" && id == "" {
		sentence = wrong
	}
	return id, sentence
}

// decodeString decodes a string. If it is wrong, the sentence says why.
func decodeString(raw json.RawMessage) (s, sentence string) {
	if string(raw) == "null" || json.Unmarshal(raw, &s) != nil {
		return "", "Not a valid string."
	}
	if strings.ContainsRune(s, 0) {
		return "", "Null characters are not allowed."
	}
	if hasLoneSurrogate(raw) {
		return "", "Not a valid string."
	}
	return s, ""
}

// decodeBool decodes a boolean, or a string that HTML forms or the BooleanField of Django REST framework use for one.
func decodeBool(raw json.RawMessage) (value, ok bool) {
	switch string(raw) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	var word string
	if json.Unmarshal(raw, &word) != nil {
		return false, false
	}
	switch strings.ToLower(word) {
	case "true", "on", "1":
		return true, true
	case "false", "off", "0", "":
		return false, true
	}
	return false, false
}

// hasLoneSurrogate reports whether a well-formed JSON string has a \u escape of an unpaired surrogate. Decoding turns each of
// them into U+FFFD, and so would make different passwords equal.
func hasLoneSurrogate(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if i++; raw[i] != 'u' {
			continue
		}
		unit := escaped(raw[i:])
		i += 4
		if !utf16.IsSurrogate(unit) {
			continue
		}
		if !bytes.HasPrefix(raw[i+1:], []byte(`\u`)) || utf16.DecodeRune(unit, escaped(raw[i+2:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// escaped returns the code unit of an escape "uXXXX".
func escaped(u []byte) rune {
	n, err := strconv.ParseUint(string(u[1:5]), 16, 16)
	if err != nil {
		panic(err) // encoding/json has accepted the escape
	}
	return rune(n)
}
