package account

import (
	"slices"
	"strings"
)

// RightsChange says what rights a user was given and lost, for people and logs: "+staff -blog.add_post +group:editors".
// It is empty if nothing has changed.
func RightsChange(before, after *User) string {
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
	diff("", before.Direct, after.Direct)
	return strings.Join(change, " ")
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
