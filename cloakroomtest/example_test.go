package cloakroomtest_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/cloakroomtest"
)

// In a test, t is its *testing.T.
func ExampleNew() {
	t := &examplesT{}
	defer t.end()

	s := cloakroomtest.New(t, cloakroom.Config{})
	s.Handle(shop()) // the program's handlers
	for _, client := range []*http.Client{s.Visitor(), s.Client("ada"), s.Client("bob", "shop.view_order")} {
		answer, err := client.Get(s.URL + "/orders")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		fmt.Println(answer.StatusCode)
	}
	// Output:
	// 401
	// 403
	// 200
}

// examplesT is what an example has instead of a *testing.T.
type examplesT struct {
	testing.TB
	cleanups []func()
}

func (t *examplesT) Helper()           {}
func (t *examplesT) Output() io.Writer { return io.Discard }
func (t *examplesT) Cleanup(f func())  { t.cleanups = append(t.cleanups, f) }
func (t *examplesT) Fatal(all ...any)  { panic(fmt.Sprint(all...)) }
func (t *examplesT) Error(all ...any)  { panic(fmt.Sprint(all...)) }

func (t *examplesT) TempDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (t *examplesT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}
