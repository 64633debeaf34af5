package main

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/postgres"
)

// checkPostgres reports unsafe settings of the PostgreSQL server, if the database is on one.
func (c *checkCmd) checkPostgres(ctx context.Context, l locations) ([]issue, error) {
	s, err := l.db.PostgresSettings(ctx)
	if s == nil || err != nil {
		return nil, err
	}
	issues := append(durabilityIssues(s), exposureIssues(s)...)
	if !s.ClocksAgree {
		issues = append(issues, newIssue("W039", "The clocks of this machine and of the database's server differ by more than ten seconds: if ours "+
			"is off, codes of authenticator apps are refused, and sessions end early or late.", "Let both machines set their clocks by NTP."))
	}
	found, err := poolerIssue(ctx, s, c.Feed+string(c.FeedFile))
	return append(issues, found...), err
}

// poolerIssue reports a pooler between this server and the feed.
func poolerIssue(ctx context.Context, s *postgres.Settings, feed string) ([]issue, error) {
	direct, mend := s.Direct, "Also give the address of the server itself: --feed postgres://…"
	if feed != "" {
		own, err := postgres.InspectServer(ctx, feed)
		if err != nil {
			return nil, err
		}
		direct, mend = own.Direct, "--feed leads through a pooler, too. Give it the address of the server itself."
	}
	if direct {
		return nil, nil
	}
	return []issue{newIssue("W035", "A pooler stands in front of the database and doesn't pass on the announcements of nodes: every check "+
		"asks the database, and each sign-out takes a second.", mend)}, nil
}

// durabilityIssues reports settings with which an acknowledged sign-out can be lost in a crash or failover.
func durabilityIssues(s *postgres.Settings) (issues []issue) {
	if !s.Fsync {
		issues = append(issues, newIssue("W030", "The database's server doesn't wait for its disk (fsync is off): a power cut "+
			"can make ended sessions valid again, or damage the database.", "In postgresql.conf: fsync = on"))
	}
	if !s.FullPageWrites {
		issues = append(issues, newIssue("W031", "The database's server can't repair a page that was half written at a power cut "+
			"(full_page_writes is off).", "In postgresql.conf: full_page_writes = on"))
	}
	if !s.SynchronousCommit {
		issues = append(issues, newIssue("I030", "synchronous_commit is off for this role. Cloakroom's own connections turn it on; "+
			"behind a pooler they can't, and Cloakroom would not start.", "Run: ALTER ROLE … SET synchronous_commit = on"))
	}
	if !s.SynchronousStandbys {
		issues = append(issues, newIssue("I031", "The database doesn't wait for its standby. After a failover, the commits that the standby "+
			"had not received are lost: sign-outs too.", "Make commits wait for it with synchronous_standby_names, or end all sessions after a failover."))
	}
	if !s.StandbyAnswers {
		issues = append(issues, newIssue("W036", "The database waits for a synchronous standby, and none is connected: users can neither sign in nor "+
			"sign out.", "Start the standby, or remove it from synchronous_standby_names."))
	}
	return issues
}

// exposureIssues reports an unsafe connection to the database, and a role with too many rights.
func exposureIssues(s *postgres.Settings) (issues []issue) {
	switch {
	case !s.Private:
		issues = append(issues, newIssue("W032", "The connection to the database is not encrypted: anyone on the network path can read its "+
			"password, and change who is signed in.", "Let PostgreSQL speak TLS, and add to the address: ?sslmode=verify-full&sslrootcert=FILE"))
	case !s.Verified:
		issues = append(issues, newIssue("W033", "Anyone on the network path can pose as the database: its certificate isn't verified.",
			"Add to the address: ?sslmode=verify-full&sslrootcert=FILE"))
	}
	if !s.OrdinaryRole {
		issues = append(issues, newIssue("W034", "The role of the database's address is a superuser, and can do far more than Cloakroom needs.",
			"Give Cloakroom a role of its own that owns the database."))
	}
	return issues
}
