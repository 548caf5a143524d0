package local

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owned is a store that closes its file with itself.
type owned struct{ *Store }

func (o owned) Close() error { return o.db.Close() }

func open(t testing.TB, place string) owned {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(place, "qrie.db"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return owned{s}
}

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Adapter{
		Open: func(t *testing.T, place string) store.Store { return open(t, place) },
		Skew: func(t *testing.T, s store.Store, c store.Counter, by int64) {
			err := s.(owned).db.Write(t.Context(), func(tx *sqlite.Tx) error {
				return addByName(tx, store.Delta{Counter: c, N: by})
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	})
}
