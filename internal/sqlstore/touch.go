package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/session"
)

func (s *sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	if len(uses) == 0 {
		return ctx.Err()
	}
	// All batches use the order of IDs, so that two never wait for each other.
	uses = slices.Clone(uses)
	slices.SortStableFunc(uses, func(a, b session.LastUse) int { return slices.Compare(a.ID[:], b.ID[:]) })
	touch := s.touchEach
	if s.touchAll != nil {
		touch = s.touchTogether
	}
	return s.dialect.transaction(ctx, s.write, func(t tx) error {
		if err := touch(t, uses); err != nil {
			return fmt.Errorf("touch session: %w", err)
		}
		return nil
	})
}

func (s *sessions) touchEach(t tx, uses []session.LastUse) error {
	for _, use := range uses {
		if _, err := t.exec(s.touch, use.ID[:], use.At, use.Expires); err != nil {
			return err
		}
	}
	return nil
}

// touchTogether writes all uses with one statement, which changes each row once. Of several uses of a session, each but the
// first waits for the next statement.
func (s *sessions) touchTogether(t tx, uses []session.LastUse) error {
	for len(uses) > 0 {
		var ids [][]byte
		var seen, expires []int64
		var later []session.LastUse
		for i, use := range uses {
			if i > 0 && use.ID == uses[i-1].ID {
				later = append(later, use)
				continue
			}
			ids, seen, expires = append(ids, use.ID[:]), append(seen, use.At), append(expires, use.Expires)
		}
		if _, err := t.exec(s.touchAll, ids, seen, expires); err != nil {
			return err
		}
		uses = later
	}
	return nil
}
