package feedtest

import (
	"context"
	"errors"
	"testing"
)

// testCase is one promise of a feed.
type testCase struct {
	name    string
	promise string // where it is made
	check   func(t *testing.T, b Broadcast)
}

func run(t *testing.T, open func(t *testing.T) Broadcast, cases []testCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the promise: %s", c.promise)
				}
			})
			c.check(t, open(t))
		})
	}
}

// ok ends the test at an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails ends the test unless err is the expected one.
func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want: %v", err, want)
	}
}

// ended returns a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
