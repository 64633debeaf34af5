package django_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// This is the part of the matrix that concerns times, with USE_TZ off. On PostgreSQL, times are instants anyway.
func TestEachSideSeesWhatTheOtherDoesInLocalTime(t *testing.T) {
	t.Attr("threat", "B7")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		for _, zone := range []string{"America/Chicago", "Asia/Kolkata"} {
			t.Run(zone, func(t *testing.T) {
				t.Parallel()
				database := address(t)
				p := newPair(t, database, func(d *djangoserver.Config, c *cloakroom.Config) {
					d.TimeZone = zone
					if strings.HasPrefix(database, "sqlite:") {
						c.Django.TimeZone = zone
					}
				})
				p.only = []string{"sign in", "read", "sign out", "_session_expiry as a number"}
				p.agreesInEachCell(t)
			})
		}
	})
}

// It notices local time when no time zone is configured.
func TestInspectNoticesLocalTime(t *testing.T) {
	t.Parallel()
	database := sqliteAddress(t)
	p := newPair(t, database, func(d *djangoserver.Config, _ *cloakroom.Config) { d.TimeZone = "Asia/Kolkata" })
	name, _ := p.user(t)
	p.person(t).signsIn("Django", name, good)
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	for zone, want := range map[*time.Location]bool{nil: true, kolkata: false} {
		found, err := opened(t, django.Config{Database: database, Keys: keys, Zone: zone}).Inspect(t.Context(), time.Now().Unix())
		if err != nil || strings.Contains(fmt.Sprint(found), "--django-time-zone") != want {
			t.Errorf("%v: %v, %v", zone, found, err)
		}
	}
}
