package account

import (
	"slices"
	"strings"
)

// DescribeRightsChange describes which rights the user was given and lost since before, for people and logs: "+staff -blog.add_post
// +group:editors". It returns "" if nothing has changed.
func (u *User) DescribeRightsChange(before *User) string {
	var change []string
	diff := func(prefix string, before, after []string) {
		for _, name := range after {
			if !slices.Contains(before, name) {
				change = append(change, "+"+prefix+name)
			}
		}
		for _, name := range before {
			if !slices.Contains(after, name) {
				change = append(change, "-"+prefix+name)
			}
		}
	}
	diff("", flags(before), flags(u))
	diff("group:", before.Groups, u.Groups)
	diff("", before.UserPermissions, u.UserPermissions)
	return strings.Join(change, " ")
}

// promote keeps the rule that a superuser is staff, since only staff may use the administration. It applies if the flags
// change from before. A superuser who isn't staff, as another program such as Django can make one, stays so until these
// flags change.
func promote(u *User, before User, wrong problems) {
	switch {
	case !u.IsSuperuser || u.IsStaff || before.IsSuperuser == u.IsSuperuser && before.IsStaff == u.IsStaff:
	case before.IsSuperuser:
		wrong.add("is_staff", "superuser", "A superuser is staff. Take the superuser's rights away first, or together with this.")
	default:
		u.IsStaff = true
	}
}

func flags(u *User) (set []string) {
	if u.IsSuperuser {
		set = append(set, "superuser")
	}
	if u.IsStaff {
		set = append(set, "staff")
	}
	return set
}

// Rights returns what a user may do: "superuser", "staff", and the permissions given directly or by groups.
func (u *User) Rights() []string { return slices.Concat(flags(u), u.Permissions) }

// Exceeds reports whether the user has a right that is not among these (see [User.Rights]).
func (u *User) Exceeds(rights []string) bool {
	for _, right := range u.Rights() {
		if !slices.Contains(rights, right) && (right == "superuser" || right == "staff" || !slices.Contains(rights, "superuser")) {
			return true
		}
	}
	return false
}

// MayDelegate reports whether a token of the user may be limited to a permission: it has the form "app.codename", and the user has it.
func (u *User) MayDelegate(permission string) bool {
	return validPermission(permission) && u.Has(permission)
}
