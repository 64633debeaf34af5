package redisdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	// touchPiece is how many uses one script writes, and listPiece how many sessions it reads. Redis runs one script at a
	// time, so these bound how long other calls wait.
	touchPiece = 200
	listPiece  = 500
)

type sessions struct {
	client *link
	node   string // the name under which this node holds the lease for purging
}

// The results of create.lua and replace.lua.
const (
	done = iota
	exists
	missing
	changed
)

// newVersion never returns the same text twice, so that a session that is created again isn't mistaken for the former one.
func newVersion() string { return rand.Text()[:versionSize] }

func (s *sessions) Create(ctx context.Context, r *session.Record) error {
	version := newVersion()
	result, err := number(ctx, s.client, createScript, encode(r, version))
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if result == exists {
		return session.ErrExists
	}
	r.Version = version
	return nil
}

func (s *sessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	m, err := do(ctx, s.client, s.client.B().Get().Key("cloakroom:s:"+string(id[:])).Build())
	if rueidis.IsRedisNil(err) {
		return nil, session.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	r, err := record(m)
	if err == nil && r.ID != id {
		err = fmt.Errorf("the server returned another session")
	}
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	return r, nil
}

func record(m rueidis.RedisMessage) (*session.Record, error) {
	text, err := m.ToString()
	if err != nil {
		return nil, err
	}
	return decode(text)
}

func (s *sessions) Replace(ctx context.Context, old, new *session.Record) error {
	version := newVersion()
	result, err := number(ctx, s.client, replaceScript, string(old.ID[:]), old.Version, encode(new, version))
	switch {
	case err != nil:
		return fmt.Errorf("replace session: %w", err)
	case result == exists:
		return session.ErrExists
	case result == missing:
		return session.ErrNotFound
	case result == changed:
		return session.ErrConflict
	}
	new.Version = version
	return nil
}

func (s *sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	if len(uses) == 0 {
		return ctx.Err()
	}
	for piece := range slices.Chunk(uses, touchPiece) {
		args := make([]string, 0, 2*len(piece))
		for _, use := range piece {
			args = append(args, string(use.ID[:]), string(times(use.At, use.Expires)))
		}
		if _, err := run(ctx, s.client, touchScript, args...); err != nil {
			return fmt.Errorf("touch session: %w", err)
		}
	}
	return nil
}

func (s *sessions) Delete(ctx context.Context, id session.ID) error {
	_, err := s.Remove(ctx, id)
	return err
}

// Remove implements removal.Remover.
func (s *sessions) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	n, err := number(ctx, s.client, deleteScript, string(id[:]))
	if err != nil {
		return false, fmt.Errorf("delete session: %w", err)
	}
	return n > 0, nil
}

func (s *sessions) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	spared := string(except[:])
	if except == (session.ID{}) {
		spared = "" // shorter than every ID
	}
	n, err := number(ctx, s.client, deleteUserScript, user, spared)
	if err != nil {
		return 0, fmt.Errorf("delete sessions of a user: %w", err)
	}
	return n, nil
}

func (s *sessions) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	if q.PublicID != "" && q.After >= q.PublicID {
		return nil, ctx.Err()
	}
	if q.FormerID != (session.ID{}) {
		return s.findFormer(ctx, q)
	}
	var found []*session.Record
	for from, to := bounds(q); from != ""; {
		piece, next, err := s.piece(ctx, q, from, to, len(found))
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		found = append(found, piece...)
		from = next
		if q.Limit > 0 && len(found) >= q.Limit {
			break
		}
	}
	return found, nil
}

// findFormer returns the session that has an ID and the one that had it before a rotation, as far as they match the rest of
// the query.
func (s *sessions) findFormer(ctx context.Context, q session.Query) ([]*session.Record, error) {
	m, err := run(ctx, s.client, findFormerScript, string(q.FormerID[:]))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	found, err := records(m, 0)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	found = slices.DeleteFunc(found, func(r *session.Record) bool {
		return q.User != "" && r.User != q.User || q.PublicID != "" && r.PublicID != q.PublicID || r.PublicID <= q.After && q.After != ""
	})
	slices.SortFunc(found, func(a, b *session.Record) int { return strings.Compare(a.PublicID, b.PublicID) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, nil
}

// records decodes an answer in which so many other texts precede the sessions.
func records(m rueidis.RedisMessage, others int) (found []*session.Record, err error) {
	texts, err := m.AsStrSlice()
	if err != nil || len(texts) < others {
		return nil, errors.Join(errDamaged, err)
	}
	for _, text := range texts[others:] {
		r, err := decode(text)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// bounds returns the range of names that a query selects, in the form of ZRANGE BYLEX.
func bounds(q session.Query) (from, to string) {
	from, to = "-", "+"
	switch {
	case q.PublicID != "":
		public := escaper.Replace(q.PublicID)
		from, to = "["+public+end, "("+public+"\x00\x02"
	case q.After != "":
		from = "[" + escaper.Replace(q.After) + "\x00\x02"
	}
	return from, to
}

// piece reads the next part of a list. next is "" at the end. The sessions of one user are one piece, so that their list is from
// one moment.
func (s *sessions) piece(ctx context.Context, q session.Query, from, to string, have int) (found []*session.Record, next string, err error) {
	limit := listPiece
	if q.User != "" {
		limit = 1 << 30
	}
	if q.Limit > 0 {
		limit = min(limit, q.Limit-have)
	}
	m, err := run(ctx, s.client, listScript, q.User, from, to, strconv.Itoa(limit))
	if err != nil {
		return nil, "", err
	}
	if found, err = records(m, 1); err != nil {
		return nil, "", err
	}
	texts, err := m.AsStrSlice()
	if err == nil && texts[0] != "" {
		next = "(" + texts[0]
	}
	return found, next, err
}

func (s *sessions) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	n, err := number(ctx, s.client, deleteExpiredScript, strconv.FormatInt(now, 10), strconv.Itoa(max(limit, 0)), s.node)
	if err != nil {
		return 0, fmt.Errorf("delete expired sessions: %w", err)
	}
	return n, nil
}

// CountLive returns how many sessions have not expired by now. Redis finds the place of now in the index by ends, so the number of
// sessions hardly matters.
func (s *sessions) CountLive(ctx context.Context, now int64) (int, error) {
	n, err := number(ctx, s.client, countLiveScript, strconv.FormatInt(now, 10))
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return n, nil
}
