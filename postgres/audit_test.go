package postgres_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// TestNothingInTheAuditLogIsEverChanged by any statement.
func TestNothingInTheAuditLogIsEverChanged(t *testing.T) {
	t.Attr("threat", "L01")
	url := pgserver.Test(t)
	db := open(t, url)
	if err := db.Audit.Append(t.Context(), []*audit.Event{{At: 1, Name: "x", Outcome: audit.Failure, Actor: "7"}}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`UPDATE audit SET at = 2`, `WITH changed AS (UPDATE audit SET at = 2 RETURNING id) SELECT * FROM changed`,
		`INSERT INTO audit OVERRIDING SYSTEM VALUE SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET at = 2`,
	} {
		if _, err := connect(t, url).Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "ever changed") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	found, err := db.Audit.List(t.Context(), audit.Query{User: "7"})
	if err != nil || len(found) != 1 || found[0].At != 1 {
		t.Errorf("%v, %v", found, err)
	}
}
