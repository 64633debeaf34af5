package server_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/session"
)

// nothingFromBefore ends the test unless none of the tickets opens a session, and a visitor can sign in and stay in, on every node.
func nothingFromBefore(t *testing.T, nodes []*server, tickets []string, name string) {
	t.Helper()
	for _, s := range nodes {
		for _, ticket := range tickets {
			s.holding(ticket).demand(http.StatusUnauthorized, "with a ticket from before the restore")
		}
	}
	for _, s := range nodes {
		v := s.visitor()
		if a := v.must(persist(func() (answer, error) { return v.signIn(name, goodPassword) })); a.status != http.StatusOK {
			t.Fatalf("a sign-in after the restore is answered %s", a)
		}
		for _, other := range nodes {
			other.holding(v.ticket()).demand(http.StatusOK, "after a sign-in after the restore")
		}
	}
}

// TestADayWithARestoredBackup restores an SQLite file, with the sessions in it or in Redis. The command is killed at random moments:
// afterwards the database is the one from before, or the restored one in which everything has ended.
func TestADayWithARestoredBackup(t *testing.T) {
	t.Attr("threat", "S16")
	for _, place := range []string{"in the file", "in Redis"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			var sessions []string
			if place == "in Redis" {
				sessions = []string{"--sessions", startRedis(t).URL()}
			}
			s := start(t, sessions...)
			s.people("ann", 1)
			tickets := []string{s.signedIn("ann0").ticket()}
			backup := filepath.Join(t.TempDir(), "backup.db")
			load := attend([]*server{s}, "ann0", 4)
			eventually(t, "sign-ins", func() bool { return len(load.held()) > 4 })
			s.run("backup", backup)
			rounds, kills := repetitions()
			for range rounds {
				s.people("late", 1)
				s.run(append([]string{"session", "revoke-all", "ann0"}, sessions...)...)
				tickets = append(tickets, s.signedIn("ann0").ticket())
				load.leave()
				tickets = append(tickets, load.held()...)
				s.stop()
				restore := append([]string{"restore", backup, "--yes"}, sessions...)
				for range kills {
					s.killed(400*time.Millisecond, restore...)
					s.isOneOrTheOther(len(sessions) == 0)
				}
				s.run(restore...)
				s.start()
				if users := s.run("user", "list"); strings.Contains(users, "late0") || !strings.Contains(users, "ann0") {
					t.Fatalf("the users after the restore are:\n%s", users)
				}
				nothingFromBefore(t, []*server{s}, tickets, "ann0")
				load = attend([]*server{s}, "ann0", 4)
				eventually(t, "sign-ins", func() bool { return len(load.held()) > 4 })
			}
			load.leave()
		})
	}
}

// isOneOrTheOther ends the test if a killed restore has left the backup's sessions alive, or no database.
func (s *server) isOneOrTheOther(sessionsInIt bool) {
	s.t.Helper()
	restored := !strings.Contains(s.run("user", "list"), "late0")
	if !restored || !sessionsInIt {
		return
	}
	db := s.stores()
	defer db.Close()
	if left, err := db.Sessions.List(s.t.Context(), session.Query{}); err != nil || len(left) > 0 {
		s.t.Fatalf("a killed restore has left %d sessions of the backup, %v", len(left), err)
	}
}

// TestADayWithARestoredPostgres restores a dump under running nodes that answer from memory, and kills after-restore at random moments.
// From its success on, nothing from before counts on any node.
func TestADayWithARestoredPostgres(t *testing.T) {
	t.Attr("threat", "S16")
	for _, place := range []string{"in the database", "in Redis"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			var sessions []string
			if place == "in Redis" {
				sessions = []string{"--sessions", startRedis(t).URL()}
			}
			restorePostgres(t, sessions)
		})
	}
}

func restorePostgres(t *testing.T, sessions []string) {
	nodes := apart(t, pgserver.Test(t), sessions, sessions)
	first := nodes[0]
	first.people("ann", 1)
	dump := filepath.Join(t.TempDir(), "dump")
	load := attend(nodes, "ann0", 6)
	eventually(t, "sign-ins", func() bool { return len(load.held()) > 6 })
	tool(t, "pg_dump", "--format=custom", "--file="+dump, first.db)
	rounds, kills := repetitions()
	afterRestore := append([]string{"after-restore", "--yes"}, sessions...)
	for range rounds {
		first.people("late", 1)
		first.run(append([]string{"session", "revoke-all", "ann0"}, sessions...)...)
		before := len(load.held())
		eventually(t, "other sign-ins", func() bool { return len(load.held()) > before+2 })
		tool(t, "pg_restore", "--clean", "--if-exists", "--single-transaction", "--dbname="+first.db, dump)
		tickets := load.held()
		for range kills {
			first.killed(1500*time.Millisecond, afterRestore...)
		}
		first.run(afterRestore...)
		nothingFromBefore(t, nodes, tickets, "ann0")
		if users := first.run("user", "list"); strings.Contains(users, "late0") || !strings.Contains(users, "ann0") {
			t.Fatalf("the users after the restore are:\n%s", users)
		}
	}
	load.leave()
}

// tool runs one of PostgreSQL's tools. It is repeated if it and the nodes waited for each other's locks.
func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	var out []byte
	eventually(t, name, func() bool {
		command, err := pgserver.Tool(t.Context(), name, args...)
		if err != nil {
			t.Fatal(err)
		}
		if out, err = command.CombinedOutput(); err != nil && !bytes.Contains(out, []byte("deadlock")) {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return err == nil
	})
}
