package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/texts"
)

type textsCmd struct {
	Language string `arg:"" optional:"" default:"en" help:"The language's tag, such as en or de."`
	Texts    string `type:"path" placeholder:"DIR" help:"The folder of the server's --texts. It is checked, and its texts replace the built-in ones."`
}

func (textsCmd) Help() string {
	return `The output has every key that a file for --texts can have. To translate the pages and mails into another language, print
one that there is, replace its words, and name the file by the tag of yours, such as fr.json.

Examples:
  cloakroom texts > texts/fr.json
  cloakroom texts de
  cloakroom texts fr --texts texts`
}

func (c *textsCmd) Run(_ context.Context, a *app) error {
	all, err := texts.Load(c.Texts)
	if err != nil {
		return fmt.Errorf("--texts: %w", err)
	}
	if known := all.Languages(); !slices.Contains(known, c.Language) {
		return fmt.Errorf("there are no texts in the language %q, only in %s", c.Language, strings.Join(known, ", "))
	}
	out := json.NewEncoder(a.out)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(all.Section(c.Language, ""))
}
