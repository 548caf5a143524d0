package dynamo

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qrie-sec/qrie/store"
)

// What is wrong with an account is one row: at its bounds, and of texts that do
// not compress, it must fit.
func TestHealthAtItsBoundsFitsARow(t *testing.T) {
	pack, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	noise := func(length int) string {
		b := make([]byte, length)
		_, _ = random.Read(b) // never fails
		return base64.StdEncoding.EncodeToString(b)[:length]
	}
	const account = "111122223333"
	h, at := store.AccountHealth{Account: account}, time.Date(2026, 3, 14, 12, 0, 0, 1, time.UTC)
	longest := 0 // type and action that are valid
	for n := 1; n <= store.MaxReason; n++ {
		if (store.Condition{Type: noise(n), Action: noise(n), State: store.Denied, Since: at, UpdatedAt: at}).Valid(account) == nil {
			longest = n
		}
	}
	for i := range store.MaxConditions {
		c := store.Condition{Type: fmt.Sprintf("%03d", i) + noise(longest-3), Action: noise(longest), Reason: noise(store.MaxReason), State: store.Denied,
			Since: at.Add(time.Duration(i)), UpdatedAt: at.Add(time.Duration(i)), Released: at.Add(time.Duration(i))}
		if err := c.Valid(account); err != nil {
			t.Fatal(err)
		}
		h, _, _ = h.With(c)
	}
	packed, err := pack.encode("health", h)
	if err != nil {
		t.Fatal(err)
	}
	body := len(item{"Body": packed}.bytes("Body"))
	t.Logf("%d conditions, texts of %d bytes: %d bytes", len(h.Conditions), longest, body)
	if body > 390<<10 { // of 400 KB; the rest is keys and a revision
		t.Errorf("a row of %d bytes; DynamoDB takes 400 KB", body)
	}
}
