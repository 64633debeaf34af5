package jwt

import (
	"errors"

	"github.com/cloakroom-auth/cloakroom/token"
)

// Refusal is an error of a token that isn't valid. Its text is that of simplejwt. It is a [token.ErrInvalid].
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }
func (r *Refusal) Unwrap() error { return token.ErrInvalid }

// The refusals. They mean that the token is wrong, never that the stores can't be read.
var (
	ErrInvalid   = &Refusal{"Token is invalid"}
	ErrExpired   = &Refusal{"Token is expired"}
	ErrWrongType = &Refusal{"Token has wrong type"}
	ErrNoType    = &Refusal{"Token has no type"}
	ErrNoID      = &Refusal{"Token has no id"}
	ErrNoExpiry  = &Refusal{"Token has no 'exp' claim"}
	ErrNoUser    = &Refusal{"Token contained no recognizable user identification"}
	// ErrEnded means that the family or session of the token has ended, or that a refresh token was used before.
	ErrEnded = &Refusal{"Token is blacklisted"}
)

var (
	// ErrNoAccount means that the user of a token was deleted or may not sign in.
	ErrNoAccount = errors.New("no active account found for the token")
	// ErrJustUsed means that another request used the refresh token moments ago and got the next pair. Nothing has ended.
	ErrJustUsed = errors.New("the refresh token has just been used")
	// ErrSpent means that the access token was exchanged for a session before.
	ErrSpent = errors.New("the token was exchanged before")
	// ErrAudience means that the audience isn't one of [Service.Audiences].
	ErrAudience = errors.New("the audience isn't configured")
)
