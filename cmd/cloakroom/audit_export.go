package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

// readEvents calls do with each event of an export of the audit log: lines of JSON, as the API exports them, or an array, as
// "cloakroom audit list --json" prints it. An error names the line.
func readEvents(r io.ReadSeeker, do func(admin.Event) error) error {
	first, err := firstByte(bufio.NewReader(r))
	if err == io.EOF {
		return errors.New("line 1: the file is empty")
	}
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if first == '[' {
		return readArray(r, do)
	}
	return readLines(bufio.NewReader(r), do)
}

// firstByte returns the first byte that is no space.
func firstByte(in io.ByteReader) (byte, error) {
	for {
		b, err := in.ReadByte()
		if err != nil || !strings.ContainsRune(" \t\r\n", rune(b)) {
			return b, err
		}
	}
}

func readLines(in *bufio.Reader, do func(admin.Event) error) error {
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			if err := oneEvent(text, do); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

func readArray(r io.ReadSeeker, do func(admin.Event) error) error {
	in := json.NewDecoder(r)
	begin := int64(0) // of what is read next
	err := func() error {
		if _, err := in.Token(); err != nil {
			return err
		}
		for in.More() {
			begin = in.InputOffset()
			var text json.RawMessage
			if err := in.Decode(&text); err != nil {
				return err
			}
			if err := oneEvent(text, do); err != nil {
				return err
			}
		}
		begin = in.InputOffset()
		_, err := in.Token()
		return err
	}()
	if err == nil {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	number, e := lineAfter(r, begin)
	return errors.Join(e, fmt.Errorf("line %d: %w", number, err))
}

// lineAfter returns the number of the line of what follows so many bytes, behind a comma and spaces.
func lineAfter(r io.ReadSeeker, offset int64) (number int, err error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	in := bufio.NewReader(r)
	number = 1
	for at := int64(0); ; at++ {
		b, err := in.ReadByte()
		switch {
		case err == io.EOF:
			return number, nil
		case err != nil:
			return 0, err
		case b == '\n':
			number++
		case at >= offset && !strings.ContainsRune(" \t\r,", rune(b)):
			return number, nil
		}
	}
}

func oneEvent(text []byte, do func(admin.Event) error) error {
	var e admin.Event
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("this is no event of the audit log in JSON (an export with format=ndjson, or cloakroom audit list --json): %w", err)
	}
	if e.ID == "" || e.Event == "" || e.Time.IsZero() {
		return errors.New("this is no event of the audit log: it has no id, event or time")
	}
	return do(e)
}

// lookAt is a change that was made after the backup, and that an operator may want to make again.
type lookAt struct {
	Time   time.Time       `json:"time"`
	What   string          `json:"what"`
	UserID json.RawMessage `json:"user_id"`
	User   string          `json:"user"`
	By     string          `json:"by"`
	Detail string          `json:"detail"`
}

// undone returns what was changed and is undone by a restore; "" if the event says nothing of the kind.
func undone(e admin.Event) (what, detail string) {
	if e.Outcome != audit.Success {
		return "", ""
	}
	switch e.Event {
	case audit.UserKinds.Archived.String():
		return "disabled", ""
	case audit.UserKinds.Deleted.String():
		return "deleted", ""
	case audit.UserKinds.Compromised.String():
		return "declared compromised", ""
	case audit.PasswordKinds.Change.String():
		return "password changed", e.Detail["method"]
	case audit.SecondFactorKinds.Removed.String():
		return "factor removed", e.Detail["kind"]
	case audit.SecondFactorKinds.RecoveryUsed.String():
		return "recovery code used", ""
	case audit.SecondFactorKinds.RecoveryRenewed.String():
		return "recovery codes renewed", ""
	case audit.ProviderKinds.Unlinked.String():
		return "link to a provider removed", e.Detail["issuer"]
	case audit.PrivilegeKinds.PermissionsChanged.String():
		if taken(e.Detail["change"]) {
			return "rights taken away", strings.TrimSpace(e.Detail["group"] + " " + e.Detail["change"])
		}
	case audit.AuthzKinds.Admin.String():
		if strings.HasPrefix(e.Detail["command"], "key ") {
			return "keys changed", e.Detail["command"]
		}
	}
	return "", ""
}

// taken reports whether a change of rights takes one away.
func taken(change string) bool {
	for word := range strings.FieldsSeq(change) {
		if strings.HasPrefix(word, "-") {
			return true
		}
	}
	return false
}

// toLookAt returns what an export of the audit log has of changes that the database doesn't know, because it was restored from an
// older backup.
func toLookAt(ctx context.Context, s *cloakroom.Server, file string) (all []lookAt, err error) {
	err = eachExported(file, func(e admin.Event) error {
		what, detail := undone(e)
		if what == "" {
			return nil
		}
		known, err := s.Audit.Store.List(ctx, audit.Query{Name: e.Event, From: e.Time.UnixMilli(), To: e.Time.UnixMilli() + 1})
		if err != nil {
			return fmt.Errorf("compare with the restored audit log: %w", err)
		}
		for _, k := range known {
			if k.ID == e.ID {
				return nil
			}
		}
		all = append(all, lookAt{e.Time, what, e.UserID, cmp.Or(e.User, e.Login, plainID(e.UserID)), cmp.Or(e.Actor, plainID(e.ActorID)), detail})
		return nil
	})
	return all, err
}

// eachExported calls do with each event of an export in a file.
func eachExported(file string, do func(admin.Event) error) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	defer f.Close()
	if err := readEvents(f, do); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// printLookAt prints what an operator must look at.
func (a *app) printLookAt(all []lookAt) error {
	if len(all) == 0 {
		a.say("\nThe export has no disabled or deleted user, changed password, removed factor, withdrawn right or new key that the backup doesn't know.")
		return nil
	}
	a.say("\nChanged since the backup, and undone by the restore. Look at each:")
	var rows [][]string
	for _, l := range all {
		rows = append(rows, []string{l.Time.Local().Format(time.DateTime), l.What, orDash(l.User), orDash(l.By), shorten(l.Detail, 80)})
	}
	return a.table([]string{"TIME", "WHAT", "ABOUT", "BY", "DETAIL"}, rows)
}
