package letters

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// ErrLink says that the secret of a link is not valid: it is unknown, was used, has expired, or is about an account or an address that
// has changed since.
var ErrLink = errors.New("the link is not valid")

// The kinds of secrets.
const (
	kindReset  = "reset" // beside the secret of the account: says that its link was mailed to an address
	kindVerify = "verify"
	kindChange = "change" // of the address, mailed to the new one
	kindRevert = "revert" // of such a change, mailed to the former one; its box has the time of the change, and the name of the account, as well
)

// newSecret makes a secret of 130 random bits for a link to an address, and stores what is known of it.
func (s *Service) newSecret(ctx context.Context, kind, user, epoch, address string, life time.Duration) (string, error) {
	return s.newSecretUntil(ctx, kind, user, epoch, address, time.Now().Add(life))
}

func (s *Service) newSecretUntil(ctx context.Context, kind, user, epoch, text string, expires time.Time) (string, error) {
	secret := rand.Text()
	return secret, s.putSecret(ctx, kind, secret, user, epoch, text, expires)
}

func (s *Service) putSecret(ctx context.Context, kind, secret, user, epoch, address string, expires time.Time) error {
	err := s.Secrets.PutSecret(ctx, &mail.LinkSecret{
		Hash: hashOf(secret), Kind: kind, User: user, Epoch: epoch, Expires: expires.Unix(),
		Box: boxOf(secret).Seal(nil, make([]byte, nonceSize), []byte(address), []byte(kind)),
	})
	if err != nil {
		return fmt.Errorf("store the secret of a link: %w", err)
	}
	return nil
}

// findSecret returns what is known of a secret, and its address. [ErrLink].
func (s *Service) findSecret(ctx context.Context, kind, secret string) (found *mail.LinkSecret, address string, err error) {
	found, err = s.Secrets.FindSecret(ctx, hashOf(secret))
	if errors.Is(err, mail.ErrNotFound) || err == nil && (found.Kind != kind || found.Expires <= time.Now().Unix()) {
		return nil, "", ErrLink
	}
	if err != nil {
		return nil, "", err
	}
	plain, err := boxOf(secret).Open(nil, make([]byte, nonceSize), found.Box, []byte(kind))
	if err != nil {
		return nil, "", ErrLink
	}
	return found, string(plain), nil
}

// spend deletes a secret. It is no error if it was spent already.
func (s *Service) spend(ctx context.Context, found *mail.LinkSecret) error {
	err := s.Secrets.SpendSecret(ctx, found.Hash)
	if errors.Is(err, mail.ErrNotFound) {
		return nil
	}
	return err
}

func hashOf(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

const nonceSize = 12

// boxOf returns what seals with a secret. Each secret seals one text, so the nonce is always the same.
func boxOf(secret string) cipher.AEAD {
	key := sha256.Sum256([]byte("cloakroom mailed secret\x00" + secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	box, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return box
}

// Run sends what waits, and deletes expired secrets, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if !s.Available() {
		<-ctx.Done()
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- s.Outbox.Run(ctx) }()
	resilience.Background{
		Flush: func(context.Context) {},
		Purge: func(ctx context.Context, limit int) (int, error) {
			now := time.Now().Unix()
			secrets, err := s.Secrets.DeleteSecrets(ctx, now, limit)
			if err != nil {
				return secrets, err
			}
			invitations, err := s.Secrets.DeleteExpiredInvitations(ctx, now, limit-secrets)
			return secrets + invitations, err
		},
		Failed: func(ctx context.Context, err error) {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "purge of mailed links failed", slog.Any("error", err))
		},
	}.Run(ctx)
	return <-done
}
