package jwt

import "errors"

// Refusal says what is wrong with a token, in the words of simplejwt.
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }

// The refusals. None of them is an outage: what is wrong is the token.
var (
	ErrInvalid   = &Refusal{"Token is invalid"}
	ErrExpired   = &Refusal{"Token is expired"}
	ErrWrongType = &Refusal{"Token has wrong type"}
	ErrNoType    = &Refusal{"Token has no type"}
	ErrNoID      = &Refusal{"Token has no id"}
	ErrNoExpiry  = &Refusal{"Token has no 'exp' claim"}
	ErrNoUser    = &Refusal{"Token contained no recognizable user identification"}
	// ErrEnded is the answer to a token whose family or session is over, and to a refresh token that was used before.
	ErrEnded = &Refusal{"Token is blacklisted"}
)

var (
	// ErrNoAccount says that the user of a token is gone or may not sign in.
	ErrNoAccount = errors.New("no active account found for the token")
	// ErrJustUsed says that another request has used the refresh token moments ago: its successor is with that one, and
	// nothing has ended.
	ErrJustUsed = errors.New("the refresh token has just been used")
	// ErrSpent says that the access token was exchanged for a session before.
	ErrSpent = errors.New("the token was exchanged before")
	// ErrAudience says that nobody configured the audience.
	ErrAudience = errors.New("no such audience")
)
