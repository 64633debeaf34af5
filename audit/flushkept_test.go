package audit_test

import (
	"log/slog"
	"net/netip"
	"strconv"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

func keptLog(t *testing.T) *journal {
	j := newJournal(t)
	j.Kept = func(e *audit.Event) bool { return e.Is(audit.UserKinds.Created) }
	return j
}

// TestAKeptEventIsStoredBeforeTheAnswer of the request that has caused it, with those before it; other events wait as ever.
func TestAKeptEventIsStoredBeforeTheAnswer(t *testing.T) {
	t.Attr("threat", "WH06")
	j := keptLog(t)
	ctx := reqinfo.New(t.Context(), netip.Addr{}, "")
	j.Record(ctx, audit.SessionKinds.Created, slog.String("user", "7"))
	j.FlushBeforeAnswer(ctx)
	if n := len(j.events(audit.Query{})); n != 0 {
		t.Errorf("%d events are stored, want none yet", n)
	}
	j.Record(ctx, audit.UserKinds.Created, slog.String("user", "7"))
	j.FlushBeforeAnswer(reqinfo.New(t.Context(), netip.Addr{}, "")) // another request
	if n := len(j.events(audit.Query{})); n != 0 {
		t.Errorf("another request has stored %d events", n)
	}
	j.FlushBeforeAnswer(ctx)
	if n := len(j.events(audit.Query{})); n != 2 {
		t.Errorf("%d events are stored, want both", n)
	}
	before := j.writes.Load()
	j.FlushBeforeAnswer(ctx)
	if j.writes.Load() != before {
		t.Error("it was written twice")
	}
	var none *audit.Log
	none.FlushBeforeAnswer(ctx)
}

// TestKeptEventsAreNotLeftOut, however many there are.
func TestKeptEventsAreNotLeftOut(t *testing.T) {
	t.Attr("threat", "WH06")
	j := keptLog(t)
	const many = 12_000
	for i := range many {
		j.Record(t.Context(), audit.UserKinds.Created, slog.String("user", strconv.Itoa(i)))
	}
	j.flush()
	if n := len(j.events(audit.Query{})); n != many || j.Stats().LeftOut != 0 {
		t.Errorf("%d events are stored and %d left out, want %d and none", n, j.Stats().LeftOut, many)
	}
}
