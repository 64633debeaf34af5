package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// TestNothingInTheAuditLogIsEverChanged by any statement.
func TestNothingInTheAuditLogIsEverChanged(t *testing.T) {
	t.Attr("threat", "L01")
	db := open(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	if err := db.Audit.Append(t.Context(), []*audit.Event{{At: 1, Name: "x", Outcome: audit.Failure, Actor: "7"}}); err != nil {
		t.Fatal(err)
	}
	_, write := db.Pools()
	for _, statement := range []string{`UPDATE audit SET actor = '8'`, `UPDATE OR REPLACE audit SET outcome = 'success' WHERE actor = '7'`} {
		if _, err := write.Exec(statement); err == nil || !strings.Contains(err.Error(), "ever changed") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	found, err := db.Audit.List(t.Context(), audit.Query{User: "7"})
	if err != nil || len(found) != 1 || found[0].Outcome != audit.Failure {
		t.Errorf("%v, %v", found, err)
	}
}
