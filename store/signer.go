package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/qrie-sec/qrie"
)

// Signer makes and opens page tokens. A token is the place where the next page
// begins, under a signature over the list, the query and the place: it opens
// for the list and query that it was made for and for no other. It hides
// nothing. A Signer is safe for concurrent use.
type Signer struct{ secret []byte }

// NewSigner returns a signer. Every process that serves one store shares the
// secret; 32 random bytes are enough.
func NewSigner(secret []byte) *Signer { return &Signer{secret: append([]byte(nil), secret...)} }

const (
	// signatureBytes of HMAC-SHA256 are kept: 128 bits cannot be guessed.
	signatureBytes = 16
	// maxTokenBytes is far above what any list needs for its place.
	maxTokenBytes = 4096
)

// tokenEncoding is strict, so that one token has one spelling.
var tokenEncoding = base64.RawURLEncoding.Strict()

// Seal makes the token of a place in a list. Query and place are encoded as
// JSON; of the query that means: with its slices in one order (see Normal).
func (s *Signer) Seal(list string, query, place any) (string, error) {
	at, err := json.Marshal(place)
	if err != nil {
		return "", fmt.Errorf("encode a place in %s: %w", list, err)
	}
	sum, err := s.sign(list, query, at)
	if err != nil {
		return "", err
	}
	return tokenEncoding.EncodeToString(append(sum, at...)), nil
}

// Open checks a token and decodes its place. Any token that Seal did not make
// for this list and query is ErrBadToken.
func (s *Signer) Open(list string, query any, token string, place any) error {
	if len(token) > maxTokenBytes {
		return fmt.Errorf("page token of %d characters: %w", len(token), qrie.ErrBadToken)
	}
	raw, err := tokenEncoding.DecodeString(token)
	if err != nil || len(raw) < signatureBytes || strings.ContainsAny(token, "\r\n") { // which decoding passes over
		return fmt.Errorf("page token is damaged: %w", qrie.ErrBadToken)
	}
	want, err := s.sign(list, query, raw[signatureBytes:])
	if err != nil {
		return err
	}
	if !hmac.Equal(want, raw[:signatureBytes]) {
		return fmt.Errorf("page token of %s: %w", list, qrie.ErrBadToken)
	}
	if err := json.Unmarshal(raw[signatureBytes:], place); err != nil {
		return fmt.Errorf("page token of %s holds no place: %w", list, qrie.ErrBadToken)
	}
	return nil
}

func (s *Signer) sign(list string, query any, place []byte) ([]byte, error) {
	q, err := json.Marshal(query)
	if err != nil {
		return nil, fmt.Errorf("encode the query of %s: %w", list, err)
	}
	// Fixed lengths keep the three parts apart.
	name, text := sha256.Sum256([]byte(list)), sha256.Sum256(q)
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(name[:])
	mac.Write(text[:])
	mac.Write(place)
	return mac.Sum(nil)[:signatureBytes:signatureBytes], nil
}
