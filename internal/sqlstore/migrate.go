package sqlstore

import (
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string // of its file
}

// Migrations returns all migrations of a dialect, the oldest first.
func (d Dialect) Migrations() ([]Migration, error) {
	entries, err := fs.ReadDir(migrations, path.Join("migrations", d.Name))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var all []Migration
	for _, entry := range entries {
		version, err := goose.NumericComponent(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		all = append(all, Migration{version, entry.Name()})
	}
	return all, nil
}

// Missing returns the names of the migrations that a database with this version lacks. A version that is newer than all
// of them is an error.
func (d Dialect) Missing(have int64) ([]string, error) {
	all, err := d.Migrations()
	if err != nil {
		return nil, err
	}
	if newest := all[len(all)-1].Version; have > newest {
		return nil, fmt.Errorf("its schema has version %d, but this program knows only up to %d; use a newer one", have, newest)
	}
	var names []string
	for _, m := range all {
		if m.Version > have {
			names = append(names, m.Name)
		}
	}
	return names, nil
}

// Migrator returns what applies the migrations of a dialect to db. It logs nothing. Locking is up to the caller.
func (d Dialect) Migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, path.Join("migrations", d.Name))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d.Versions != "" {
		options = append(options, goose.WithTableName(d.Versions))
	}
	return goose.NewProvider(goose.Dialect(d.Name), db, files, options...)
}
