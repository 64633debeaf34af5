package main

import (
	"reflect"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
)

func TestErrorsOfTheLibraryNameFlags(t *testing.T) {
	for text, want := range map[string]string{
		"Config.Origins: no host":                          "--origin: no host",
		"Config.DB is not of the form sqlite:PATH":         "--db is not of the form sqlite:PATH",
		"allow it with Config.InsecureHTTP":                "allow it with --insecure-http",
		"Config.Django.SecretKeyFile: empty":               "--django-secret-key-file: empty",
		"Config.Cookie.SameSite, the host of Config.URL: ": "--cookie-samesite, the host of --url: ",
		"Configuration":                                    "Configuration",
	} {
		if got := inFlags(text); got != want {
			t.Errorf("inFlags(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestIrregularFlagsExist checks both sides of the table: each field is in Config, and each flag in the grammar.
func TestIrregularFlagsExist(t *testing.T) {
	flags := map[string]bool{}
	for c := range newGrammar(&cli{}).All() {
		for _, flag := range c.Flags {
			flags[flag.Name] = true
		}
	}
	for field, flag := range irregular {
		if field != "Cookie.SameSite" {
			if _, ok := reflect.TypeFor[cloakroom.Config]().FieldByName(field); !ok {
				t.Errorf("Config has no field %s", field)
			}
		}
		if !flags[flag] {
			t.Errorf("there is no flag --%s", flag)
		}
	}
}
