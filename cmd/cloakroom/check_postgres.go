package main

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/postgres"
)

// checkPostgres looks at the server of the database, if that is PostgreSQL.
func (c *checkCmd) checkPostgres(ctx context.Context, l locations) ([]issue, error) {
	s, err := l.db.Postgres(ctx)
	if s == nil || err != nil {
		return nil, err
	}
	issues := append(durabilityIssues(s), exposureIssues(s)...)
	found, err := poolerIssue(ctx, s, c.Feed+string(c.FeedFile))
	return append(issues, found...), err
}

// poolerIssue looks for a pooler on the way to the feed.
func poolerIssue(ctx context.Context, s *postgres.Settings, feed string) ([]issue, error) {
	direct, mend := s.Direct, "Give the server's own address besides: --feed postgres://…"
	if feed != "" {
		own, err := postgres.Inspect(ctx, feed)
		if err != nil {
			return nil, err
		}
		direct, mend = own.Direct, "--feed leads through a pooler, too. Let it name the server itself."
	}
	if direct {
		return nil, nil
	}
	return []issue{newIssue("W035", "A pooler stands before the database, and keeps what nodes tell each other: every check asks "+
		"the database, and each sign-out takes a second.", mend)}, nil
}

// durabilityIssues is what becomes of an acknowledged sign-out when something breaks.
func durabilityIssues(s *postgres.Settings) (issues []issue) {
	if !s.Fsync {
		issues = append(issues, newIssue("W030", "The database's server doesn't wait for its disk (fsync is off): a power cut "+
			"can bring back sessions that have ended, or damage everything.", "In postgresql.conf: fsync = on"))
	}
	if !s.FullPageWrites {
		issues = append(issues, newIssue("W031", "The database's server can't mend a page that a power cut has torn "+
			"(full_page_writes is off).", "In postgresql.conf: full_page_writes = on"))
	}
	if !s.Waits {
		issues = append(issues, newIssue("I030", "synchronous_commit is off for this role. The server's own connections turn it on; "+
			"behind a pooler they couldn't, and would be refused.", "Run: ALTER ROLE … SET synchronous_commit = on"))
	}
	if !s.NoAsync {
		issues = append(issues, newIssue("I031", "The database has a standby that it doesn't wait for. If that takes its place, what "+
			"it hadn't received is lost: sign-outs too.", "Let commits wait for it: synchronous_standby_names. Or end all sessions after a failover."))
	}
	if !s.Standby {
		issues = append(issues, newIssue("W036", "The database waits for a synchronous standby, and none is connected: no sign-in and no "+
			"sign-out is possible.", "Start the standby, or leave it out of synchronous_standby_names."))
	}
	return issues
}

// exposureIssues is who else gets at the database.
func exposureIssues(s *postgres.Settings) (issues []issue) {
	switch {
	case !s.Private:
		issues = append(issues, newIssue("W032", "The way to the database is not encrypted: whoever listens there can take its "+
			"password, and change who is signed in.", "Let PostgreSQL speak TLS, and add to the address: ?sslmode=verify-full&sslrootcert=FILE"))
	case !s.Verified:
		issues = append(issues, newIssue("W033", "Anybody on the way can pose as the database: its certificate isn't checked.",
			"Add to the address: ?sslmode=verify-full&sslrootcert=FILE"))
	}
	if !s.Ordinary {
		issues = append(issues, newIssue("W034", "The role of the database's address is a superuser, who can do far more than is needed here.",
			"Give Cloakroom a role of its own, who owns the database."))
	}
	return issues
}
