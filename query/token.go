package query

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/qrie-sec/qrie/store"
)

// MaxTokenAge is the longest that an API token lives.
const MaxTokenAge = 366 * 24 * time.Hour

const tokenPrefix = "qrie_"

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewToken makes an API token for the store: text is what its holder sends,
// qrie_<id>_<secret>, and is not kept anywhere. The secret has 160 bits.
func NewToken(random io.Reader, name string, role Role, now time.Time, age time.Duration) (text string, t store.Token, err error) {
	switch {
	case role < Viewer || role > Admin:
		return "", t, fmt.Errorf("API token %q: role %d is none that a token can have", name, role)
	case age <= 0 || age > MaxTokenAge:
		return "", t, fmt.Errorf("API token %q: age %v is not between 0 and %v", name, age, MaxTokenAge)
	case name == "" || len(name) > 100:
		return "", t, fmt.Errorf("API token: the name must have 1 to 100 bytes and has %d", len(name))
	}
	var b [25]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", t, fmt.Errorf("draw an API token: %w", err)
	}
	id, secret := tokenText.EncodeToString(b[:5]), tokenText.EncodeToString(b[5:])
	return tokenPrefix + id + "_" + secret, store.Token{
		Hash: hashSecret(secret), ID: id, Name: name, Role: role.String(),
		CreatedAt: now.UTC(), ExpiresAt: now.UTC().Add(age),
	}, nil
}

// splitToken takes the text of a token apart.
func splitToken(text string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) > 200 {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	return id, secret, ok && id != "" && secret != ""
}

// hashSecret is what the store keeps of a token's secret. The secret is long
// and random, so a fast hash does.
func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
