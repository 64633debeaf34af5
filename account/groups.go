package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxGroup is the maximum length of a group's name in characters, as in Django.
const maxGroup = 150

// Group returns the group with this name. [ErrNotFound].
func (s *Service) Group(ctx context.Context, name string) (Group, error) {
	groups, err := s.store().Groups(ctx)
	if err != nil {
		return Group{}, fmt.Errorf("load group: %w", err)
	}
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, ErrNotFound
	}
	return groups[i], nil
}

// AddGroup creates a group and returns it. *[InvalidError] with the fields name and permissions, also if a group with this
// name exists.
func (s *Service) AddGroup(ctx context.Context, g Group) (Group, error) {
	g.Permissions = sorted(g.Permissions)
	err := s.transact(ctx, func(a act) error {
		if !a.hasAll(g.Permissions) {
			return DeniedErrors.Outranked
		}
		wrong := problems{}
		checkGroupName(g.Name, wrong)
		switch _, err := a.Group(g.Name); {
		case err == nil:
			wrong.add("name", "unique", "group with this name already exists.")
		case !errors.Is(err, ErrNotFound):
			return err
		}
		checkPermissions(g.Permissions, wrong)
		if err := wrong.err(); err != nil {
			return err
		}
		err := a.CreateGroup(g)
		if errors.Is(err, ErrGroupExists) {
			wrong.add("name", "unique", "group with this name already exists.")
			return wrong.err()
		}
		return err
	})
	if err != nil {
		return Group{}, err
	}
	s.changed("")
	return g, nil
}

// EditGroup changes the permissions of a group, and thereby at once those of its members, and returns the group. Only
// permissions that change adds are checked. change must be quick, do no I/O, and may be called more than once; EditGroup
// returns its error unchanged. [ErrNotFound], *[InvalidError] with the field permissions.
func (s *Service) EditGroup(ctx context.Context, name string, change func(*Group) error) (Group, error) {
	var edited Group
	err := s.transact(ctx, func(a act) error {
		before, err := a.group(name)
		if err != nil {
			return err
		}
		g := Group{Name: name, Permissions: slices.Clone(before.Permissions)}
		if err := change(&g); err != nil {
			return err
		}
		g.Name, g.Permissions = name, sorted(g.Permissions)
		if !a.hasAll(g.Permissions) {
			return DeniedErrors.Outranked
		}
		wrong := problems{}
		checkPermissions(added(before.Permissions, g.Permissions), wrong)
		if err := wrong.err(); err != nil {
			return err
		}
		edited = g
		return a.ChangeGroup(g)
	})
	if err != nil {
		return Group{}, err
	}
	s.changed("")
	return edited, nil
}

func checkPermissions(permissions []string, wrong problems) {
	for _, p := range permissions {
		if !validPermission(p) {
			wrong.add("permissions", "invalid", fmt.Sprintf("%q is not of the form app.codename.", p))
		}
	}
}

// DeleteGroup deletes a group; its members lose its permissions. [ErrNotFound].
func (s *Service) DeleteGroup(ctx context.Context, name string) error {
	err := s.transact(ctx, func(a act) error {
		if _, err := a.group(name); err != nil {
			return err
		}
		return a.DeleteGroup(name)
	})
	if err == nil {
		s.changed("")
	}
	return err
}

func checkGroupName(s string, wrong problems) {
	switch {
	case strings.TrimSpace(s) == "":
		wrong.add("name", "blank", "This field may not be blank.")
	case utf8.RuneCountInString(s) > maxGroup:
		wrong.add("name", "max_length", fmt.Sprintf("Ensure this field has no more than %d characters.", maxGroup))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || s != strings.TrimSpace(s):
		wrong.add("name", "invalid", "Control characters, and blanks at the ends, are not allowed.")
	}
}
