package jwt

// The times that tests hold against the promises.
const (
	Ahead       = ahead
	ReloadAfter = reloadAfter
	MaxLength   = maxLength
)
