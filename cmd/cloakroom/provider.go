package main

// providerFlags say where else people can sign in.
type providerFlags struct {
	Provider []string `placeholder:"NAME=FILE" help:"Another service at which people sign in: its name in URLs, and a JSON file with its settings (docs/providers.md). Repeat it or separate by commas."`
}
