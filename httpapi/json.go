package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

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
		if hasLoneSurrogate(raw) {
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

// hasLoneSurrogate reports whether a JSON string, which is well-formed, holds a \u escape that is half a character:
// decoding turns each into U+FFFD, and so different passwords into one.
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

// escaped returns the code unit of "uXXXX…".
func escaped(u []byte) rune {
	n, err := strconv.ParseUint(string(u[1:5]), 16, 16)
	if err != nil {
		panic(err) // encoding/json has accepted it
	}
	return rune(n)
}
