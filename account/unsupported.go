package account

import "errors"

// Unsupported says what a [Store] has no place for, and refuses with an error of [UnsupportedErrors]: the fields of a [User] of these
// names, and [Tx.SpendLink]. A Store that lacks something says so with a method Unsupported() Unsupported, which a wrapper of one's own
// has to have as well. A set of stores lacks SpendLink unless the Store says otherwise (see the Unsupported of package store). The zero
// value: it has a place for all.
type Unsupported struct{ Language, Extra, SpendLink bool }

// UnsupportedErrors are the errors of a [Store] that has no place for something, by the fields of [Unsupported].
var UnsupportedErrors = struct{ Language, Extra, SpendLink error }{
	errors.New("account: this database has no place for a language"), errors.New("account: this database has no place for Extra"),
	errors.New("links and passkeys are not in the database of the accounts"),
}
