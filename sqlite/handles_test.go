package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// A write of one process is one step for other processes too. Here two handles, which share no connection, stand for two
// processes.
func TestStepsOfTwoHandlesDoNotMix(t *testing.T) {
	t.Attr("threat", "L06")
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	handles := []*sqlite.DB{open(t, path), open(t, path)}
	u := &account.User{Username: "ann", FirstName: "0"}
	if err := handles[0].Accounts.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	const each = 40
	var all sync.WaitGroup
	for _, db := range handles {
		for range 2 {
			all.Go(func() {
				for range each {
					_, changeErr := db.Accounts.Change(t.Context(), u.ID, increment)
					updateErr := db.Throttles.Update(t.Context(), []string{"k"}, func(c []throttle.Counter) error {
						c[0].Tries++
						return nil
					})
					if changeErr != nil || updateErr != nil {
						t.Errorf("%v, %v", changeErr, updateErr)
						return
					}
				}
			})
		}
	}
	all.Wait()
	got, err := handles[1].Accounts.Load(t.Context(), u.ID)
	if err != nil || got.FirstName != fmt.Sprint(4*each) {
		t.Errorf("%s changes were kept, want %d (%v)", got.FirstName, 4*each, err)
	}
	err = handles[0].Throttles.Update(t.Context(), []string{"k"}, func(c []throttle.Counter) error {
		if c[0].Tries != 4*each {
			t.Errorf("%d tries were counted, want %d", c[0].Tries, 4*each)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func increment(u *account.User) error {
	n, err := strconv.Atoi(u.FirstName)
	u.FirstName = strconv.Itoa(n + 1)
	return err
}

func TestWriteWaitsForAnotherProcessNoLongerThanItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	db := open(t, path)
	succeed(t, db, 0)
	prepare(t, db, 2)
	_, other := open(t, path).Pools()
	lock, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	results := writes(ctx, db, 2) // one after the other, all by the same deadline
	if waited := time.Since(began); waited > 2*time.Second {
		t.Errorf("waited %v", waited)
	}
	for name, err := range results {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s returns %v", name, err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.Accounts.Change(short, "1", increment); !strings.Contains(err.Error(), "another program is holding the database") {
		t.Errorf("it isn't said why: %v", err)
	}
	reads(t, db)

	done := make(chan error)
	go func() { done <- db.Sessions.Delete(context.Background(), ticketID(0)) }()
	time.Sleep(20 * time.Millisecond)
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("a write that could wait returned %v", err)
	}
	succeed(t, db, 3)
}
