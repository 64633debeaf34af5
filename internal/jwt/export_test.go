package jwt

// The limits that tests compare with the documentation.
const (
	PublishAhead = publishAhead
	ReloadAfter  = reloadAfter
	MaxLength    = maxLength
)
