package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
)

// Settings are those of a server that decide whether the promises of a [DB] hold. False is always the unsafe value.
type Settings struct {
	Fsync               bool // commits wait for the disk, and not only for the operating system
	FullPageWrites      bool // a page that was half written at a power cut is repaired
	SynchronousCommit   bool // synchronous_commit is on by default; a DB sets it where it can
	SynchronousStandbys bool // no standby takes over without all acknowledged commits, as far as the server reports
	StandbyAnswers      bool // no commit waits for a synchronous standby that isn't connected
	Direct              bool // there is no pooler in between
	Private             bool // the connection is encrypted, or stays on this machine
	Verified            bool // the server's certificate is verified, or the server is on this machine
	OrdinaryRole        bool // the role isn't a superuser
	ClocksAgree         bool // its clock and that of this machine differ by ten seconds at most
}

const maxSkew = 10 * time.Second

// InspectServer reads the settings of a database's server. A server that [Open] refuses is an error here, too.
func InspectServer(ctx context.Context, url string) (Settings, error) {
	p, err := at(url)
	if err != nil {
		return Settings{}, err
	}
	return p.inspect(ctx)
}

func (p place) inspect(ctx context.Context) (Settings, error) {
	s, err := settings(ctx, p.dialer)
	if err != nil {
		return Settings{}, fmt.Errorf("look at %s: %w", p, err)
	}
	return s, nil
}

func settings(ctx context.Context, d *pg.Dialer) (s Settings, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*d.Address().ConnectTimeout())
	defer cancel()
	made, err := d.Connect(ctx)
	if err != nil {
		return s, err
	}
	conn := made.(*pg.Conn)
	defer conn.HangUp()
	s.Direct = !conn.Pooled()
	s.Private, s.Verified = conn.Way()
	before, theirs := time.Now(), time.Time{}
	err = conn.Conn.Conn().QueryRow(ctx, `SELECT current_setting('fsync')::bool, current_setting('full_page_writes')::bool,
		(SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') <> 'off',
		current_setting('synchronous_standby_names') <> '' OR NOT EXISTS (SELECT 1 FROM pg_stat_replication),
		current_setting('synchronous_standby_names') = '' OR current_setting('synchronous_commit') IN ('off', 'local') OR
			EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state IS NULL OR sync_state IN ('sync', 'quorum')),
		NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
		clock_timestamp()`, pgx.QueryExecModeExec).
		Scan(&s.Fsync, &s.FullPageWrites, &s.SynchronousCommit, &s.SynchronousStandbys, &s.StandbyAnswers, &s.OrdinaryRole, &theirs)
	s.ClocksAgree = theirs.After(before.Add(-maxSkew)) && theirs.Before(time.Now().Add(maxSkew))
	return s, err
}
