package admin

import (
	"context"
	"log/slog"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
)

// AddGroup adds a group.
func (s *Service) AddGroup(ctx context.Context, g account.Group) (account.Group, error) {
	added, err := s.Accounts.AddGroup(ctx, g)
	if err != nil {
		return account.Group{}, err
	}
	s.recordGroup(ctx, "created", added, nil, added.Permissions)
	return added, nil
}

// EditGroup changes a group's permissions in one step.
func (s *Service) EditGroup(ctx context.Context, name string, change func(*account.Group) error) (account.Group, error) {
	var before []string
	g, err := s.Accounts.EditGroup(ctx, name, func(g *account.Group) error {
		before = slices.Clone(g.Permissions)
		return change(g)
	})
	if err != nil {
		return account.Group{}, err
	}
	s.recordGroup(ctx, "changed", g, before, g.Permissions)
	return g, nil
}

// DeleteGroup deletes a group, whose members lose what it gave them.
func (s *Service) DeleteGroup(ctx context.Context, g account.Group) error {
	if err := s.Accounts.DeleteGroup(ctx, g.Name); err != nil {
		return err
	}
	s.recordGroup(ctx, "deleted", g, g.Permissions, nil)
	return nil
}

func (s *Service) recordGroup(ctx context.Context, deed string, g account.Group, before, after []string) {
	about := []slog.Attr{slog.String("group", LogText(g.Name)), slog.String("deed", deed)}
	if change := rightsChange(&account.User{UserPermissions: before}, &account.User{UserPermissions: after}); change.Value.String() != "" {
		about = append(about, change)
	}
	s.Audit.Record(ctx, audit.PrivilegeKinds.PermissionsChanged, about...)
}
