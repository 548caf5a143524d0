package memory

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	places := map[string]*Store{}
	storetest.Run(t, storetest.Adapter{
		Open: func(t *testing.T, place string) store.Store {
			if places[place] == nil {
				places[place] = New(Options{})
			}
			return places[place]
		},
		Skew: func(_ *testing.T, s store.Store, c store.Counter, by int64) {
			var tally store.Tally
			tally.Add(c, by, store.Delta{}.At)
			s.(*Store).count(&tally)
		},
	})
}
