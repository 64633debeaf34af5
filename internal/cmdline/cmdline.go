// Package cmdline reads a command line, and environment variables, into structs. A field of a struct is a flag, unless its tags say
// that it is an argument or a command:
//
//	type cli struct {
//		Data string `default:"data" placeholder:"DIR" help:"The directory of the database."`
//		Add  addCmd `cmd:"" help:"Add a user."`
//	}
//
//	type addCmd struct {
//		Username string `arg:"" help:"The name of the user."`
//		Admin    *bool  `env:"-" negatable:"" help:"Whether the user is an administrator."`
//	}
//
// The fields of an embedded struct are as those of the struct around it. A field is a bool, string, int, int64, time.Duration or an
// encoding.TextUnmarshaler; a pointer to one of them, nil if nothing is given; or a slice of one of them. These are the tags:
//
//	cmd          the struct is a command
//	arg          the field is an argument: a word that belongs to no flag. A slice has all that are left
//	name         the name of a flag, argument or command. Otherwise it is FlagName of the field
//	help         what it is for
//	default      the value if none is given
//	standard     what is written as the default in help, where it depends on other things
//	placeholder  what stands for the value in help
//	enum         the possible values, separated by commas
//	short        a letter: -h is --help
//	required     a flag that must be given
//	optional     an argument that may be left out; one with a default may be, too
//	negatable    a bool that --no-NAME makes false
//	xor          a word: of the flags that have the same, at most one may be given
//	sep          what separates the values of a slice, instead of a comma. A backslash before it makes it part of a value
//	type         path: the string becomes an absolute path, and ~/ is the home directory
//	env          -: no variable sets the flag
//	hidden       the flag can be given, but isn't in help
//
// A struct with a method Validate() error, which may be that of a struct that is embedded in it, is asked once all is read. What a
// command's method Help() string returns is the Detail of its help.
//
// [pflag] splits the command line; this package adds what it has no notion of: commands, arguments, variables and the tags.
//
// [pflag]: https://github.com/spf13/pflag
package cmdline

import (
	"encoding"
	"fmt"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Command is a command, or the program itself. It is not safe for concurrent use.
type Command struct {
	Name      string
	Help      string // one sentence
	Detail    string // paragraphs
	Parent    *Command
	Commands  []*Command // the parts of a command that has parts; it then has no arguments
	Flags     []*Flag    // its own
	Arguments []*Value

	target reflect.Value // the struct
	prefix string        // of variables
}

// Flag is a flag of a command and of the commands that are part of it.
type Flag struct {
	Value
	Short     string // one letter, or ""
	Variable  string // the environment variable that sets it, or ""
	Negatable bool
	Hidden    bool

	xor string
}

// Value is what a flag and an argument have in common.
type Value struct {
	Name        string
	Help        string
	Placeholder string
	Default     string
	Standard    string // describes a default that is computed
	Enum        []string
	Required    bool

	target    reflect.Value // the field
	given     bool          // on the command line or by a variable
	separator string
	isPath    bool
}

// New returns the program whose grammar is the struct that target points to. The names of variables have a prefix: CLOAKROOM_ makes
// --log-level CLOAKROOM_LOG_LEVEL. New panics if the grammar is wrong.
func New(name, help, prefix string, target any) *Command {
	c := &Command{Name: name, Help: help, target: reflect.ValueOf(target).Elem(), prefix: prefix}
	c.read(c.target)
	return c
}

// read adds the fields of a struct to a command.
func (c *Command) read(fields reflect.Value) {
	for i := range fields.NumField() {
		field, target := fields.Type().Field(i), fields.Field(i)
		tags := tagsOf(field)
		_, isCommand := tags["cmd"]
		_, isArgument := tags["arg"]
		switch {
		case field.Anonymous:
			c.read(target)
		case isCommand:
			part := &Command{Name: nameOf(field, tags), Help: tags["help"], Parent: c, target: target, prefix: c.prefix}
			if d, ok := target.Addr().Interface().(interface{ Help() string }); ok {
				part.Detail = d.Help()
			}
			part.read(target)
			c.Commands = append(c.Commands, part)
		case isArgument:
			v := newValue(field, tags, target)
			_, optional := tags["optional"]
			v.Required = !optional && v.Default == ""
			c.Arguments = append(c.Arguments, v)
		default:
			c.Flags = append(c.Flags, newFlag(field, tags, target, c.prefix))
		}
	}
	if len(c.Commands) > 0 && len(c.Arguments) > 0 {
		panic(fmt.Sprintf("cmdline: %s has parts and arguments", c.FullPath()))
	}
	if validators(fields.Type()) > 0 && !isValidator(fields.Type()) {
		panic(fmt.Sprintf("cmdline: several structs that are embedded in %s have Validate, and Go promotes none of them", fields.Type()))
	}
}

type validator interface{ Validate() error }

// isValidator reports whether the struct, or only one that is embedded in it, has the method.
func isValidator(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[validator]())
}

// validators counts the structs with the method that are embedded in a struct.
func validators(t reflect.Type) int {
	n := 0
	for field := range t.Fields() {
		if field.Anonymous && isValidator(field.Type) {
			n++
		}
	}
	return n
}

// tagsOf returns the tags of a field by their names.
func tagsOf(field reflect.StructField) map[string]string {
	tags := map[string]string{}
	for rest := string(field.Tag); rest != ""; {
		name, after, _ := strings.Cut(rest, ":")
		quoted, err := strconv.QuotedPrefix(after)
		if err == nil {
			tags[name], err = strconv.Unquote(quoted)
		}
		if err != nil {
			panic(fmt.Sprintf("cmdline: the tags of %s: %v", field.Name, err))
		}
		rest = strings.TrimLeft(after[len(quoted):], " ")
	}
	return tags
}

func newFlag(field reflect.StructField, tags map[string]string, target reflect.Value, prefix string) *Flag {
	f := &Flag{Value: *newValue(field, tags, target), Short: tags["short"], xor: tags["xor"]}
	_, f.Negatable = tags["negatable"]
	_, f.Hidden = tags["hidden"]
	_, f.Required = tags["required"]
	if tags["env"] != "-" && f.Name != helpFlag {
		f.Variable = prefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	}
	return f
}

func newValue(field reflect.StructField, tags map[string]string, target reflect.Value) *Value {
	v := &Value{
		Name: nameOf(field, tags), Help: tags["help"], Placeholder: tags["placeholder"], Default: tags["default"],
		Standard: tags["standard"], target: target, separator: ",", isPath: tags["type"] == "path",
	}
	if enum := tags["enum"]; enum != "" {
		v.Enum = strings.Split(enum, ",")
	}
	if sep := tags["sep"]; sep != "" {
		v.separator = sep
	}
	if !field.IsExported() || !readable(v.element()) {
		panic(fmt.Sprintf("cmdline: the field %s can't be a %s", field.Name, field.Type))
	}
	return v
}

// element returns the type of a single value.
func (v *Value) element() reflect.Type {
	if t := v.target.Type(); t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return v.target.Type()
}

// readable reports whether parse knows the type.
func readable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int64:
		return true
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// IsBool reports whether the flag needs no value.
func (v *Value) IsBool() bool { return v.element().Kind() == reflect.Bool }

// IsSlice reports whether there may be several values.
func (v *Value) IsSlice() bool { return v.target.Kind() == reflect.Slice }

// Type returns the type of the field.
func (v *Value) Type() reflect.Type { return v.target.Type() }

// Target returns the pointer to the command's struct.
func (c *Command) Target() any { return c.target.Addr().Interface() }

// Path returns the names that lead to the command, without that of the program: "user add".
func (c *Command) Path() string {
	if c.Parent == nil {
		return ""
	}
	return strings.TrimSpace(c.Parent.Path() + " " + c.Name)
}

// FullPath returns the path with the name of the program.
func (c *Command) FullPath() string {
	if c.Parent == nil {
		return c.Name
	}
	return c.Parent.FullPath() + " " + c.Name
}

// All returns the command, and those that are part of it, in the order of their fields.
func (c *Command) All() iter.Seq[*Command] {
	return func(yield func(*Command) bool) { c.walk(yield) }
}

func (c *Command) walk(yield func(*Command) bool) bool {
	if !yield(c) {
		return false
	}
	for _, part := range c.Commands {
		if !part.walk(yield) {
			return false
		}
	}
	return true
}

// Leaves returns the commands that can be run.
func (c *Command) Leaves() iter.Seq[*Command] {
	return func(yield func(*Command) bool) {
		for part := range c.All() {
			if len(part.Commands) == 0 && !yield(part) {
				return
			}
		}
	}
}

func nameOf(field reflect.StructField, tags map[string]string) string {
	if name := tags["name"]; name != "" {
		return name
	}
	return FlagName(field.Name)
}

// FlagName returns the name of a field as that of a flag: "SecretKeyFile" is secret-key-file, and "HSTSMaxAge" hsts-max-age.
func FlagName(field string) string {
	var b strings.Builder
	runes := []rune(field)
	for i, r := range runes {
		// A word begins at a capital after a small letter, and at the last capital before one: InsecureHTTP, HTTPPort.
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

var durationType = reflect.TypeFor[time.Duration]()
