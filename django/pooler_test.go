package django_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// pooledAddress returns the address of a database, and one that leads to it through PgBouncer in transaction mode.
func pooledAddress(t testing.TB) (direct, pooled string) {
	pooler := pgserver.Shared(t).TestPooler(t)
	direct = postgresAddress(t)
	return direct, strings.Replace(direct, pgserver.Shared(t).Addr, pooler, 1)
}

// Cloakroom reaches the tables through a pooler and receives notices by the server's own address. It answers from memory,
// and each side sees what the other does.
func TestDjangosEndsAreHeardBesideAPooler(t *testing.T) {
	t.Attr("threat", "X01")
	t.Parallel()
	direct, pooled := pooledAddress(t)
	p := newPair(t, direct, func(_ *djangoserver.Config, c *cloakroom.Config) { c.DB, c.Feed = "django+"+pooled, direct }).fed(t)
	name, _ := p.user(t)
	ended, other := p.person(t), p.person(t)
	ended.signsIn("Django", name, good)
	other.signsIn("Cloakroom", name, good)
	p.remembers(t, ended, other)
	ended.django.Do(t, "POST", "/logout", map[string]any{}, nil)
	ended.isAnonymous()
	other.stays(t)
	other.is(name)
	if status := other.ours.Do(t, "POST", "/api/auth/logout", map[string]any{}, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	other.isAnonymous()
	p.only = []string{"sign in", "sign out", "password change", "disable", "permission change", "user made", "user deleted"}
	p.agreesInEachCell(t)
}

// Through the pooler, Cloakroom's tables would be created among Django's, and RemoveFeed could not see whether a server is
// listening.
func TestAPoolerBesideDjangoNeedsTheServersOwnAddressToo(t *testing.T) {
	t.Parallel()
	direct, pooled := pooledAddress(t)
	site := djangoserver.New(t, djangoserver.Config{Database: direct, Keys: keys})
	c := cloakroom.Config{DB: "django+" + pooled, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	c.Django.SecretKeyFile = keyFile(t, keys)
	if _, err := cloakroom.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Config.Feed") {
		t.Errorf("without it: %v", err)
	}
	db := opened(t, django.Config{Database: pooled, Keys: keys})
	if _, err := db.InstallFeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.RemoveFeed(t.Context()); err == nil || !strings.Contains(err.Error(), "pooler") {
		t.Errorf("the feed is removed through a pooler: %v", err)
	}
	if err := opened(t, django.Config{Database: direct, Keys: keys}).RemoveFeed(t.Context()); err != nil {
		t.Error(err)
	}
	site.Manage(t, "migrate", "--check")
}

// Newer poolers pass on the search path. Here the database's own setting has the same effect.
func TestAPoolerThatPassesOnTheSearchPathIsNoticed(t *testing.T) {
	t.Parallel()
	pooler := pgserver.Shared(t).TestPooler(t, "ignore_startup_parameters = search_path")
	direct := postgresAddress(t)
	p := newPair(t, direct, nil)
	p.execute(t, `ALTER DATABASE `+direct[strings.LastIndexByte(direct, '/')+1:]+` SET search_path = `+django.OwnSchema)
	pooled := strings.Replace(direct, pgserver.Shared(t).Addr, pooler, 1) + "?search_path=" + django.OwnSchema
	if err := (django.Config{Database: pooled}).CreateOwnSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "pooler") {
		t.Errorf("%v", err)
	}
}

// It is noticed before anything is written among Django's tables.
func TestAPoolerThatIgnoresTheSearchPathIsNoticed(t *testing.T) {
	t.Parallel()
	pooler := pgserver.Shared(t).TestPooler(t, "ignore_startup_parameters = search_path")
	direct := postgresAddress(t)
	djangoserver.New(t, djangoserver.Config{Database: direct, Keys: keys})
	before := schemaDump(t, direct)
	c := cloakroom.Config{DB: "django+" + strings.Replace(direct, pgserver.Shared(t).Addr, pooler, 1), Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	c.Django.SecretKeyFile = keyFile(t, keys)
	if _, err := cloakroom.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Config.Feed") {
		t.Errorf("%v", err)
	}
	if after := schemaDump(t, direct); after != before {
		t.Errorf("the schema was\n%s\nand is\n%s", before, after)
	}
}
