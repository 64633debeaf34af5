package account

// Lacks says what a [Store] has no place for, and refuses: the fields of a [User] of these names, with [ErrNoLanguage] and [ErrNoExtra], and
// [Tx.Join], with [ErrApart]. The zero value: it has a place for all.
type Lacks struct{ Language, Extra, Join bool }

// LacksOf returns what a Store has no place for. A Store that lacks something says so with a method Lacks() Lacks, which a wrapper of one's
// own has to have as well.
func LacksOf(s Store) Lacks {
	if says, ok := s.(interface{ Lacks() Lacks }); ok {
		return says.Lacks()
	}
	return Lacks{}
}
