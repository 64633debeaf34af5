package cmdline

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// ErrHelp says that the command line asks for help: it has the flag --help.
var ErrHelp = errors.New("help is wanted")

// helpFlag is the name of the flag that asks for help.
const helpFlag = "help"

// Parse reads args into the struct of the grammar: the command line without the name of the program. A flag that isn't in args is set by
// its variable, otherwise by its default. Parse returns the command, with an error the one until which the command line was understood.
// An error is a sentence for the person who has typed it, or ErrHelp. Parse can be called once.
func (c *Command) Parse(args []string) (*Command, error) {
	for {
		words, err := c.parseFlags(args)
		switch {
		case err != nil:
			return c, err
		case len(c.Commands) == 0 || len(words) == 0:
			return c, c.finish(words)
		}
		part := c.command(words[0])
		if part == nil {
			return c, Suggest("unexpected argument "+words[0], words[0], c.names())
		}
		c, args = part, words[1:]
	}
}

// command returns the part of the command that has a name, or nil.
func (c *Command) command(name string) *Command {
	for _, part := range c.Commands {
		if part.Name == name {
			return part
		}
	}
	return nil
}

// names returns the names of the command's parts.
func (c *Command) names() []string {
	var names []string
	for _, part := range c.Commands {
		names = append(names, part.Name)
	}
	return names
}

// parseFlags sets the flags in args, and returns the other words. If the command has parts, it stops at the first other word.
func (c *Command) parseFlags(args []string) (words []string, err error) {
	set := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	set.SetInterspersed(len(c.Commands) == 0)
	for f := range c.inheritedFlags() {
		flag := set.VarPF(onCommandLine{f, false}, f.Name, f.Short, "")
		if f.IsBool() {
			flag.NoOptDefVal = "true"
		}
		if f.Negatable {
			set.VarPF(onCommandLine{f, true}, "no-"+f.Name, "", "").NoOptDefVal = "true"
		}
	}
	if err := c.checkForgotten(set, args); err != nil {
		return nil, err
	}
	err = set.Parse(args)
	return set.Args(), explain(err, set)
}

// inheritedFlags returns the flags of the command, then of the commands that it is part of.
func (c *Command) inheritedFlags() iter.Seq[*Flag] {
	return func(yield func(*Flag) bool) {
		for at := c; at != nil; at = at.Parent {
			for _, f := range at.Flags {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// checkForgotten returns an error if the value of a flag looks like a flag: in --url --listen :80, the URL is missing.
func (c *Command) checkForgotten(set *pflag.FlagSet, args []string) error {
	for i := 0; i+1 < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		if isFlag && name == "" || !strings.HasPrefix(args[i], "-") && len(c.Commands) > 0 {
			return nil
		}
		f := set.Lookup(name)
		if !isFlag || f == nil || f.NoOptDefVal != "" {
			continue
		}
		i++
		if strings.HasPrefix(args[i], "-") && args[i] != "-" {
			return fmt.Errorf("--%s needs a value; if that is %q, write --%s=%s", name, args[i], name, args[i])
		}
	}
	return nil
}

// explain returns an error of pflag in our words.
func explain(err error, set *pflag.FlagSet) error {
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	case errors.As(err, &missing):
		return fmt.Errorf("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		var names []string
		set.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		return Suggest("unknown flag "+name, name, names)
	}
	return err
}

// onCommandLine is a flag as pflag sets it.
type onCommandLine struct {
	*Flag
	negated bool
}

func (f onCommandLine) Set(text string) error {
	if f.negated {
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		text = fmt.Sprint(!b)
	}
	f.given = true
	return f.set(text)
}

func (f onCommandLine) String() string { return "" }
func (f onCommandLine) Type() string   { return "" }

// finish reads the arguments and the variables, sets defaults, and checks the whole.
func (c *Command) finish(words []string) error {
	for f := range c.inheritedFlags() {
		if f.Name == helpFlag && f.target.Bool() {
			return ErrHelp
		}
	}
	if len(c.Commands) > 0 {
		return fmt.Errorf("expected one of %s", quoted(c.names()))
	}
	if err := c.setArguments(words); err != nil {
		return err
	}
	for f := range c.inheritedFlags() {
		if err := f.setUnlessGiven(); err != nil {
			return err
		}
	}
	if err := c.checkFlags(); err != nil {
		return err
	}
	return c.validate()
}

func (c *Command) setArguments(words []string) error {
	for _, v := range c.Arguments {
		name := strings.ToUpper(v.Name)
		if len(words) == 0 && v.Required {
			return fmt.Errorf("missing argument %s", name)
		}
		for len(words) > 0 {
			var err error
			if v.given = true; v.IsSlice() {
				err = v.add(words[0])
			} else {
				err = v.set(words[0])
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if words = words[1:]; !v.IsSlice() {
				break
			}
		}
		if !v.given && v.Default != "" {
			if err := v.set(v.Default); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if len(words) > 0 {
		return fmt.Errorf("unexpected argument %s", words[0])
	}
	return nil
}

// setUnlessGiven sets the flag by its variable, otherwise by its default.
func (f *Flag) setUnlessGiven() error {
	if f.given {
		return nil
	}
	if text, ok := os.LookupEnv(f.Variable); ok && f.Variable != "" {
		f.given = true
		if err := f.set(text); err != nil {
			return fmt.Errorf("--%s: %w (from the variable %s)", f.Name, err, f.Variable)
		}
		return nil
	}
	if f.Default == "" {
		return nil
	}
	if err := f.set(f.Default); err != nil {
		return fmt.Errorf("--%s: its default: %w", f.Name, err)
	}
	return nil
}

// checkFlags returns an error if a flag is missing, or one too many is given.
func (c *Command) checkFlags() error {
	only := map[string]*Flag{}
	var missing []string
	for f := range c.inheritedFlags() {
		switch other := only[f.xor]; {
		case f.Required && !f.given:
			missing = append(missing, "--"+f.Name+"="+f.Placeholder)
		case f.xor == "" || !f.given:
		case other != nil:
			return fmt.Errorf("--%s and --%s can't be used together", other.Name, f.Name)
		default:
			only[f.xor] = f
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing flags: %s", strings.Join(missing, ", "))
	}
	return nil
}

// validate asks the program's struct, then those of the commands to this one.
func (c *Command) validate() error {
	if c.Parent != nil {
		if err := c.Parent.validate(); err != nil {
			return err
		}
	}
	if v, ok := c.Target().(validator); ok {
		return v.Validate()
	}
	return nil
}
