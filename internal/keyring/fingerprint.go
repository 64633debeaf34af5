package keyring

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

// fingerprintsName is the one row that isn't sealed: a JSON array of the fingerprints of the secrets that the store was
// sealed with, the current one first.
const fingerprintsName = "fingerprints"

// maxFingerprints bounds how many rotations back a key file is recognised.
const maxFingerprints = 32

// fingerprint returns what tells one secret from another, and says nothing else about it: 16 hexadecimal digits.
func fingerprint(secret []byte) string {
	return hex.EncodeToString(derive(secret, "cloakroom derive fingerprint")[:8])
}

// knownFingerprints returns those that a store has noted; nil if it has noted none.
func knownFingerprints(all []sealed.Secret) (known []string) {
	for _, s := range all {
		if s.Name == fingerprintsName {
			_ = json.Unmarshal(s.Box, &known) // what can't be read is noted anew
		}
	}
	return known
}

// noteFingerprints writes the fingerprints of the secrets in use before those that the store knows already.
func noteFingerprints(ctx context.Context, store sealed.Store, all []sealed.Secret, secrets [][]byte) error {
	known := knownFingerprints(all)
	var next []string
	for _, s := range secrets {
		next = append(next, fingerprint(s))
	}
	for _, f := range known {
		if !slices.Contains(next, f) {
			next = append(next, f)
		}
	}
	next = next[:min(len(next), maxFingerprints)]
	// A server that hasn't read a rotated file yet must not put the former secret first again.
	if slices.Equal(next, known) || len(known) > 0 && known[0] != next[0] && slices.Contains(known, next[0]) {
		return nil
	}
	box, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := store.PutSealed(ctx, []sealed.Secret{{Name: fingerprintsName, Box: box}}); err != nil {
		return fmt.Errorf("note the fingerprint of the server secret: %w", err)
	}
	return nil
}

// advice says what to do about a key file that doesn't open the store.
func advice(path string, current []byte, all []sealed.Secret) string {
	known, mine := knownFingerprints(all), fingerprint(current)
	switch {
	case len(known) > 0 && slices.Contains(known, mine):
		return fmt.Sprintf("%s is from before a rotation of the secret (its fingerprint is %s, that of the current secret is %s): "+
			"copy the key file of a server that runs, for which \"cloakroom key show\" prints %s, over this one", path, mine, known[0], known[0])
	case len(known) > 0:
		return fmt.Sprintf("the database was begun with another file than %s (its fingerprint is %s, that of the database's secret is %s): "+
			"put that one back; if it is lost, see \"cloakroom key replace-lost\"", path, mine, known[0])
	}
	return fmt.Sprintf("the database was begun with another file than %s; put that one back; "+
		"if it is lost, see \"cloakroom key replace-lost\"", path)
}
