package cmdline

import (
	"encoding"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// set reads a value into the field. One for a slice is added to those that it has.
func (v *Value) set(text string) error {
	switch v.target.Kind() {
	case reflect.Slice:
		for _, part := range split(text, v.separator) {
			if err := v.add(part); err != nil {
				return err
			}
		}
		return nil
	case reflect.Pointer:
		element := reflect.New(v.element())
		v.target.Set(element)
		return v.parse(element.Elem(), text)
	}
	return v.parse(v.target, text)
}

// add adds a value to the slice.
func (v *Value) add(text string) error {
	element := reflect.New(v.element()).Elem()
	if err := v.parse(element, text); err != nil {
		return err
	}
	v.target.Set(reflect.Append(v.target, element))
	return nil
}

func (v *Value) parse(target reflect.Value, text string) (err error) {
	if len(v.Enum) > 0 && !slices.Contains(v.Enum, text) {
		return fmt.Errorf("must be one of %s but got %q", quoted(v.Enum), text)
	}
	if t, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return t.UnmarshalText([]byte(text))
	}
	switch {
	case target.Type() == durationType:
		d, err := time.ParseDuration(text)
		if days, isDays := daysOf(text); err != nil && isDays {
			return fmt.Errorf("expected duration but got %q; give it in hours: %dh", text, 24*days)
		}
		if err != nil {
			return fmt.Errorf("expected duration but got %q; give one such as 90s, 30m or 12h", text)
		}
		target.SetInt(int64(d))
	case target.Kind() == reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		target.SetBool(b)
	case target.Kind() == reflect.String:
		if v.isPath {
			if text, err = absolute(text); err != nil {
				return err
			}
		}
		target.SetString(text)
	default:
		n, err := strconv.ParseInt(text, 10, target.Type().Bits())
		if err != nil {
			return fmt.Errorf("expected a whole number but got %q", text)
		}
		target.SetInt(n)
	}
	return nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes":
		return true, nil
	case "false", "0", "no":
		return false, nil
	}
	return false, fmt.Errorf("expected true, 1, yes, false, 0 or no but got %q", text)
}

// absolute returns an absolute path. ~/ is the home directory: a shell leaves it in --flag=~/path.
func absolute(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		return filepath.Join(home, rest), err
	}
	return filepath.Abs(path)
}

// split splits a text at a separator that has no backslash before it. An empty part at the end is none.
func split(text, separator string) []string {
	var parts []string
	part := ""
	for text != "" {
		switch {
		case strings.HasPrefix(text, `\`+separator):
			part, text = part+separator, text[1+len(separator):]
		case strings.HasPrefix(text, separator):
			parts, part, text = append(parts, part), "", text[len(separator):]
		default:
			part, text = part+text[:1], text[1:]
		}
	}
	if part != "" {
		parts = append(parts, part)
	}
	return parts
}

// quoted lists words for an error: "auto", "strict".
func quoted(words []string) string {
	var list []string
	for _, word := range words {
		list = append(list, strconv.Quote(word))
	}
	return strings.Join(list, ", ")
}

// daysOf returns how many days a text such as 30d means. time.ParseDuration knows no days, since not every day has 24 hours.
func daysOf(text string) (days int, ok bool) {
	number, ok := strings.CutSuffix(text, "d")
	days, err := strconv.Atoi(number)
	return days, ok && err == nil && days > 0 && days <= 36_500
}
