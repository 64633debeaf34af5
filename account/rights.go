package account

import (
	"slices"
	"strings"
)

// DescribeRightsChange says what rights a user was given and lost, for people and logs: "+staff -blog.add_post +group:editors".
// It is empty if nothing has changed.
func DescribeRightsChange(before, after *User) string {
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
	diff("", flags(before), flags(after))
	diff("group:", before.Groups, after.Groups)
	diff("", before.UserPermissions, after.UserPermissions)
	return strings.Join(change, " ")
}

// promote keeps the rule that a superuser is staff, who alone may use the administration, for a user whose flags change from
// before. Whom another program made a superuser and not staff, as Django can, stays so until these flags change.
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

// Rights lists what a user may do: "superuser", "staff", and the permissions, directly or by groups.
func (u *User) Rights() []string { return slices.Concat(flags(u), u.Permissions) }

// Exceeds reports whether a user may do what somebody with these rights may not. See [User.Rights].
func (u *User) Exceeds(rights []string) bool {
	for _, right := range u.Rights() {
		if !slices.Contains(rights, right) && (right == "superuser" || right == "staff" || !slices.Contains(rights, "superuser")) {
			return true
		}
	}
	return false
}
