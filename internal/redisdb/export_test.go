package redisdb

import "github.com/cloakroom-auth/cloakroom/session"

// Encode, Decode and Name are the form of a stored session.
func Encode(r *session.Record, version string) string { return encode(r, version) }

func Decode(text string) (*session.Record, error) { return decode(text) }

func Name(publicID string, id session.ID) string { return name(publicID, id) }

var Unfit = unfit
