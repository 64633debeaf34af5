package account

import "context"

// Imported is a user of another program, to be taken over.
type Imported struct {
	Source string // names the program's database
	ID     string // the user's there; kept where it can be
	User   User   // as it is there. Its ID, Epoch and Permissions don't count

	State, Password [32]byte // hashes of all of User, and of the encoded hash: what is as at the last import is left alone
}

// ImportResult is what became of an [Imported].
type ImportResult struct {
	User    *User // nil: nothing was taken over
	Created bool
	Changed bool
	Later   bool   // it can't have the ID that it had: it should come after all that can
	Taken   string // "username": somebody else is called so, and nothing was taken over; "email": all but the address was
}

// Importer is a [Store] that takes over other programs' users.
type Importer interface {
	// Import takes over users, all in one step, and returns what became of each. A user whom an earlier import made is
	// changed where its state or password there have changed since; a new password moves the epoch. Who can't keep the
	// ID is left for later, unless later is set. Groups must exist. With dry set nothing is written.
	Import(ctx context.Context, users []Imported, later, dry bool) ([]ImportResult, error)
}
