package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/mailer"
)

// checkMail reports mail that is missing, that others can read, or that mail servers may take for forged. serve refuses what is wrong.
func (c *checkCmd) checkMail(locations) (issues []issue) {
	public, err := url.Parse(c.URL)
	if err != nil || onThisMachine(public.Hostname()) {
		return nil
	}
	if c.SMTP == "" {
		return []issue{newIssue("I035", "No mail is sent: people who forget their passwords need an administrator, and no one is told of a sign-in from a new device.",
			"Name a mail server: --smtp (docs/mail.md)")}
	}
	server, err := mailer.ParseServer(c.SMTP)
	if err != nil {
		return nil
	}
	if server.TLS == mailer.NoTLS && !onThisMachine(server.Host) {
		issues = append(issues, newIssue("W043", fmt.Sprintf("--smtp %s sends mail without TLS: anyone on the network path can read the links, and "+
			"set new passwords.", server.Host), "Leave out ?tls=none."))
	}
	from, err := mailer.ParseFrom(c.MailFrom)
	if err != nil {
		return issues
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	if site(domain) != site(public.Hostname()) {
		issues = append(issues, newIssue("I036", fmt.Sprintf("--mail-from is of the domain %s, and --url of %s: people learn to trust links in mail of other domains.",
			domain, public.Hostname()), "Send from an address of the same domain, if its SPF and DKIM allow that."))
	}
	return issues
}

// site returns the domain that a host's owner has registered.
func site(host string) string {
	name, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(host))
	if err != nil {
		return host
	}
	return name
}

// lateMail is how long a message may wait before that is a sign of trouble.
const lateMail = 15 * time.Minute

// mailIssues reports messages that no mail server has accepted for long.
func mailIssues(ctx context.Context, s *cloakroom.Server) ([]issue, error) {
	waiting, err := s.WaitingMail(ctx)
	if err != nil {
		return nil, err
	}
	late := 0
	for _, m := range waiting {
		if time.Since(m.Created) > lateMail {
			late++
		}
	}
	if late == 0 {
		return nil, nil
	}
	return []issue{newIssue("W044", fmt.Sprintf("Messages that no mail server has accepted for over 15 minutes: %d.", late),
		"The server's log says why. Try it: cloakroom mail test ADDRESS")}, nil
}
