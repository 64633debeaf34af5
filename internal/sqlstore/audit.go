package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

type events struct {
	read, write *sql.DB
	dialect     Dialect

	add, addAll, deleteOlder *statement // addAll is nil: each is added by itself
}

const eventColumns = `at, name, outcome, actor, subject, login, session, address, agent, request, detail`

func newEvents(p *queries) *events {
	return &events{
		read: p.read, write: p.write, dialect: p.dialect,

		add:         p.writing(`INSERT INTO audit (` + eventColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`),
		addAll:      p.locking(p.dialect.AddEvents),
		deleteOlder: p.writing(`DELETE FROM audit WHERE at < $1 AND ` + p.dialect.among(`id`, `SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2`+p.dialect.SkipLocked) + p.alone()),
	}
}

func (s *events) Append(ctx context.Context, events []*audit.Event) error {
	if len(events) == 0 {
		return ctx.Err()
	}
	rows := make([][]any, len(events))
	for i, e := range events {
		var err error
		if rows[i], err = s.values(e); err != nil {
			return err
		}
	}
	add := s.addEach
	if s.addAll != nil {
		add = s.addTogether
	}
	ids, err := add(ctx, rows)
	if err != nil {
		return err
	}
	if len(ids) != len(events) {
		return fmt.Errorf("add audit events: %d rows were added for %d", len(ids), len(events))
	}
	for i, e := range events {
		e.ID = strconv.FormatInt(ids[i], 10)
	}
	return nil
}

// addEach adds events one by one in a transaction, and returns their IDs.
func (s *events) addEach(ctx context.Context, rows [][]any) (ids []int64, err error) {
	err = s.dialect.transaction(ctx, s.write, func(t tx) error {
		ids = nil
		for _, values := range rows {
			var id int64
			if err := t.queryRow(s.add, values...).Scan(&id); err != nil {
				return fmt.Errorf("add audit event: %w", err)
			}
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

// addTogether adds events with one statement, and returns their IDs. An event whose connection was lost may be added twice, as after an
// error of Append.
func (s *events) addTogether(ctx context.Context, rows [][]any) (ids []int64, err error) {
	at := make([]int64, len(rows))
	texts := make([][][]byte, len(rows[0])-1)
	for i, values := range rows {
		at[i] = values[0].(int64)
		for column, value := range values[1:] {
			texts[column] = append(texts[column], value.([]byte))
		}
	}
	args := []any{at}
	for _, column := range texts {
		args = append(args, column)
	}
	repeatable := func(err error) bool {
		return s.dialect.Undone != nil && s.dialect.Undone(err) || s.dialect.Lost != nil && s.dialect.Lost(err)
	}
	err = resilience.Retry(ctx, repeatable, func() error {
		ids, err = collect(func() (*sql.Rows, error) { return s.addAll.QueryContext(ctx, args...) }, scanID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add audit events: %w", err)
	}
	return ids, nil
}

func scanID(row scanner) (id int64, err error) { return id, row.Scan(&id) }

// values returns an event's fields in the order of eventColumns.
func (s *events) values(e *audit.Event) ([]any, error) {
	detail := []byte("{}")
	if len(e.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return nil, fmt.Errorf("encode audit event: %w", err)
		}
	}
	text := s.dialect.Bytes
	return []any{e.At, text(e.Name), text(e.Outcome), text(e.Actor), text(e.Subject), text(e.Login), text(e.Session),
		text(e.Address), text(e.Agent), text(e.Request), detail}, nil
}

func (s *events) List(ctx context.Context, q audit.Query) ([]*audit.Event, error) {
	query, args, ok := s.listing(q)
	if !ok {
		return nil, ctx.Err()
	}
	found, err := all(ctx, s.dialect, func() (*sql.Rows, error) { return s.read.QueryContext(ctx, s.dialect.Named(query), args...) }, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	return found, nil
}

// listing returns the statement for a query. ok is false if q.Before can't be an ID.
func (s *events) listing(q audit.Query) (query string, args []any, ok bool) {
	where := []string{"TRUE"}
	condition := func(text string, arg any) {
		args = append(args, arg)
		where = append(where, text+" $"+strconv.Itoa(len(args)))
	}
	if q.Before != "" {
		before, ok := number(q.Before)
		if !ok {
			return "", nil, false
		}
		condition("id <", before)
	}
	if q.Name != "" {
		condition("name =", s.dialect.Bytes(q.Name))
	}
	if q.From != 0 {
		condition("at >=", q.From)
	}
	if q.To != 0 {
		condition("at <", q.To)
	}
	latest := ` ORDER BY id DESC`
	if q.Limit > 0 {
		latest += ` LIMIT ` + strconv.Itoa(q.Limit)
	}
	conditions := strings.Join(where, ` AND `)
	if q.User != "" {
		args = append(args, s.dialect.Bytes(q.User))
		conditions = ofUser(conditions, latest, "$"+strconv.Itoa(len(args)))
	}
	return `SELECT id, ` + eventColumns + ` FROM audit WHERE ` + conditions + latest, args, true
}

// ofUser is the condition for the latest events of a user. Each of two indexes returns its latest events at once; with an OR
// the database would sort all events of both.
func ofUser(conditions, latest, user string) string {
	of := func(column string) string {
		return `SELECT id FROM (SELECT id FROM audit WHERE ` + column + ` = ` + user + ` AND ` + conditions + latest + `) AS of_` + column
	}
	return `id IN (` + of("subject") + ` UNION ` + of("actor") + `)`
}

func scanEvent(row scanner) (*audit.Event, error) {
	var e audit.Event
	var id int64
	var detail []byte
	err := row.Scan(&id, &e.At, &e.Name, &e.Outcome, &e.Actor, &e.Subject, &e.Login, &e.Session, &e.Address, &e.Agent, &e.Request, &detail)
	if err != nil {
		return nil, err
	}
	e.ID = strconv.FormatInt(id, 10)
	if string(detail) == "{}" {
		return &e, nil
	}
	if err := json.Unmarshal(detail, &e.Detail); err != nil {
		return nil, fmt.Errorf("read audit event %d: %w", id, err)
	}
	return &e, nil
}

func (s *events) DeleteOlder(ctx context.Context, before int64, limit int) (int, error) {
	n, err := affected(s.deleteOlder.ExecContext(ctx, before, max(limit, 0)))
	if err != nil {
		return 0, fmt.Errorf("delete old audit events: %w", err)
	}
	return n, nil
}
