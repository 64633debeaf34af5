package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
)

// checkProviders reports providers that can't be used, or that prove less than others. It asks each of them.
func (c *checkCmd) checkProviders(ctx context.Context, a *app) (issues []issue) {
	listen, err := parseListenAddr(ctx, "--listen", c.Listen)
	if err != nil {
		return nil // preflight has reported it
	}
	config := a.config()
	config.Providers, config.URL = c.Provider, c.publicURL(listen.addrs[0].Port())
	all, err := cloakroom.Providers(config)
	if err != nil {
		return nil // it is reported as what keeps serve from starting
	}
	for _, p := range all {
		issues = append(issues, c.checkProvider(ctx, p, len(all) > 1)...)
	}
	return issues
}

// clockTolerance is by how much the clock of a provider may differ before it is told.
const clockTolerance = 10 * time.Second

func (c *checkCmd) checkProvider(ctx context.Context, p cloakroom.Provider, several bool) (issues []issue) {
	if err := p.Check(ctx); err != nil {
		issues = append(issues, newIssue("W045", fmt.Sprintf("No one can sign in at the provider %s: %v", p.Name, err),
			"Run: cloakroom provider check "+p.Name))
	} else if says, err := p.SaysIssuer(ctx); err == nil && !says && several {
		issues = append(issues, newIssue("I037", fmt.Sprintf("The provider %s doesn't say in its answers that they come from it (RFC 9207), so "+
			"that only its redirect URI tells them from those of another provider.", p.Name),
			"Let no other provider register "+p.RedirectURI))
	}
	if ahead, err := p.Clock(ctx); err == nil && ahead.Abs() > clockTolerance {
		issues = append(issues, newIssue("W047", fmt.Sprintf("The clock of this machine differs by %v from that of the provider %s. Codes of authenticator "+
			"apps and tokens of providers count for a short time.", ahead.Abs().Round(time.Second), p.Name), "Let NTP set the clock of this machine."))
	}
	if strings.HasPrefix(p.Issuer, "http://") {
		issues = append(issues, newIssue("W046", fmt.Sprintf("The provider %s is asked by plain http.", p.Name),
			"That is for tests on one machine. Give the https address of the provider as its issuer."))
	}
	if p.UntypedLogout {
		issues = append(issues, newIssue("W041", fmt.Sprintf(`"untyped_logout" of the provider %s: other tokens of the provider may pass for `+
			"logout tokens.", p.Name), "Leave it out if the provider's logout tokens have the type logout+jwt."))
	}
	for _, file := range p.SecretFiles {
		info, err := os.Stat(file)
		if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		issues = append(issues, newIssue("W042", fmt.Sprintf("Other users of this machine can read the secret of the provider %s in %s (mode %#o).",
			p.Name, file, info.Mode().Perm()), "Run: chmod go= "+file))
	}
	return issues
}
