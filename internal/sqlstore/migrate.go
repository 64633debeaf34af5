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

// Migrator returns what applies the migrations of a dialect to db. It logs nothing. Locking is up to the caller.
func (d Dialect) Migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, path.Join("migrations", d.Name))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return goose.NewProvider(goose.Dialect(d.Name), db, files, goose.WithDisableGlobalRegistry(true))
}
