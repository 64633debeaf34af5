package account

import "errors"

// Lacks says what a [Store] has no place for, and refuses with an error of [LacksErrors]: the fields of a [User] of these names, and
// [Tx.Join]. A Store that lacks something says so with a method Lacks() Lacks, which a wrapper of one's own has to have as well. A set of
// stores lacks Join unless the Store says otherwise (see the Lacks of package store). The zero value: it has a place for all.
type Lacks struct{ Language, Extra, Join bool }

// LacksErrors are the errors of a [Store] that has no place for something, by the fields of [Lacks].
var LacksErrors = struct{ Language, Extra, Join error }{
	errors.New("account: this database has no place for a language"), errors.New("account: this database has no place for Extra"),
	errors.New("links and passkeys are not in the database of the accounts"),
}
