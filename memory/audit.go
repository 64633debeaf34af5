package memory

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/audit"
)

type events struct {
	mu   guard
	all  []*audit.Event // as they were added
	last int
}

func (s *events) Append(ctx context.Context, events []*audit.Event) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, e := range events {
		s.last++
		e.ID = strconv.Itoa(s.last)
		s.all = append(s.all, copyEvent(e))
	}
	return nil
}

func (s *events) List(ctx context.Context, q audit.Query) ([]*audit.Event, error) {
	if err := s.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var found []*audit.Event
	for _, e := range slices.Backward(s.all) {
		if q.Limit > 0 && len(found) == q.Limit {
			break
		}
		if selected(e, q) {
			found = append(found, copyEvent(e))
		}
	}
	return found, nil
}

func selected(e *audit.Event, q audit.Query) bool {
	return (q.User == "" || e.Subject == q.User || e.Actor == q.User) && (q.Name == "" || e.Name == q.Name) &&
		e.At >= q.From && (q.To == 0 || e.At < q.To) && (q.Before == "" || compareIDs(e.ID, q.Before) < 0)
}

func (s *events) DeleteOlder(ctx context.Context, before int64, limit int) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := 0
	s.all = slices.DeleteFunc(s.all, func(e *audit.Event) bool {
		if n >= limit || e.At >= before {
			return false
		}
		n++
		return true
	})
	return n, nil
}

func copyEvent(e *audit.Event) *audit.Event {
	next := *e
	next.Detail = maps.Clone(e.Detail)
	return &next
}
