package httpapi

import (
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

type groupOut struct {
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
}

type groupsOut struct {
	Groups []groupOut `json:"groups"`
}

func newGroupOut(g account.Group) groupOut { return groupOut{g.Name, orEmpty(g.Permissions)} }

func listGroups(c *call, _ none) (groupsOut, error) {
	groups, err := c.api.Accounts.Store.Groups(c.ctx())
	if err != nil {
		return groupsOut{}, err
	}
	out := groupsOut{Groups: []groupOut{}}
	for _, g := range groups {
		out.Groups = append(out.Groups, newGroupOut(g))
	}
	return out, nil
}

// group returns the group that the path names.
func (c *call) group() (account.Group, error) {
	name, err := c.pathName("name")
	if err != nil {
		return account.Group{}, err
	}
	return c.api.Accounts.Group(c.ctx(), name)
}

func showGroup(c *call, _ none) (groupOut, error) {
	g, err := c.group()
	if err != nil {
		return groupOut{}, err
	}
	return newGroupOut(g), nil
}

type createGroupIn struct {
	Name        *string   `json:"name"`
	Permissions *[]string `json:"permissions"`
}

func createGroup(c *call, in createGroupIn) (groupOut, error) {
	if err := required(map[string]*string{"name": in.Name}); err != nil {
		return groupOut{}, err
	}
	wanted := account.Group{Name: *in.Name}
	set(&wanted.Permissions, in.Permissions)
	g, err := c.admin().AddGroup(c.ctx(), wanted)
	if err != nil {
		return groupOut{}, err
	}
	return newGroupOut(g), nil
}

type editGroupIn struct {
	Permissions *[]string `json:"permissions"`
	Grant       *[]string `json:"grant"`
	Revoke      *[]string `json:"revoke"`
}

// editGroup replaces the permissions of a group, or gives and takes some, which leaves the others as they are.
func editGroup(c *call, in editGroupIn) (groupOut, error) {
	if in.Permissions == nil && in.Grant == nil && in.Revoke == nil {
		return groupOut{}, invalid(map[string][]string{"permissions": {"This field is required."}})
	}
	name, err := c.pathName("name")
	if err != nil {
		return groupOut{}, err
	}
	g, err := c.admin().EditGroup(c.ctx(), name, func(g *account.Group) error {
		set(&g.Permissions, in.Permissions)
		g.Permissions = changed(g.Permissions, in.Grant, in.Revoke)
		return nil
	})
	if err != nil {
		return groupOut{}, err
	}
	return newGroupOut(g), nil
}

// changed returns names with those of add and without those of remove. nil: none.
func changed(names []string, add, remove *[]string) []string {
	var more, less []string
	set(&more, add)
	set(&less, remove)
	return slices.DeleteFunc(slices.Concat(names, more), func(name string) bool { return slices.Contains(less, name) })
}

func removeGroup(c *call, _ none) (none, error) {
	g, err := c.group()
	if err != nil {
		return none{}, err
	}
	return none{}, c.admin().DeleteGroup(c.ctx(), g)
}

// addMember makes a user a member of a group.
func addMember(c *call, _ none) (adminUserOut, error) {
	g, err := c.group()
	if err != nil {
		return adminUserOut{}, err
	}
	return c.edit(c.r.PathValue("id"), func(u *account.User) error {
		u.Groups = append(u.Groups, g.Name)
		return nil
	})
}

// removeMember removes a user from a group.
func removeMember(c *call, _ none) (adminUserOut, error) {
	name, err := c.pathName("name")
	if err != nil {
		return adminUserOut{}, err
	}
	return c.edit(c.r.PathValue("id"), func(u *account.User) error {
		if !slices.Contains(u.Groups, name) {
			return errNotFound
		}
		u.Groups = slices.DeleteFunc(u.Groups, func(g string) bool { return g == name })
		return nil
	})
}
