package stream

import (
	"fmt"
	"time"
)

// Trouble is what is wrong with a shard.
type Trouble struct {
	Kind  TroubleKind
	Shard string
	Text  string // a sentence for people
}

// TroubleKind is a sort of trouble.
type TroubleKind string

// The sorts of trouble. Each is told from a state that is none, such as the
// hand-over of a lease, by how long it lasts.
const (
	// TroubleUnowned: nobody reads the shard.
	TroubleUnowned TroubleKind = "unowned"
	// TroubleStalled: the oldest unfinished record does not finish.
	TroubleStalled TroubleKind = "stalled"
	// TroubleRetention: records may be dropped before they are read.
	TroubleRetention TroubleKind = "retention"
)

// TroubleKinds are all there are.
var TroubleKinds = []TroubleKind{TroubleUnowned, TroubleStalled, TroubleRetention}

// When a state becomes trouble.
const (
	// UnownedAfter is promise P6: a killed worker's shards work again by then.
	UnownedAfter = 30 * time.Second
	// StalledAfter is twice the time within which a record that cannot proceed
	// is parked.
	StalledAfter = 2 * time.Minute
	// RetentionShare is the part of the retention that a shard may lag behind.
	RetentionShare = 0.5
)

// Watch tells what is wrong with the shards of a stream, if it looks at them
// now and then. It needs no clock but that of the watcher: an owner lives if his
// renewals go on. The zero value is ready. It is unsafe for concurrent use.
type Watch struct{ leases Sightings[string, lease] }

type lease struct {
	owner           string
	epoch, renewals int64
}

// Look is one look at every shard. A shard that nobody owns is trouble only
// when that was to be seen for UnownedAfter: not at the first look.
func (w *Watch) Look(shards []ShardInfo, now time.Time) []Trouble {
	var all []Trouble
	leases := Sightings[string, lease]{}
	for _, s := range shards {
		if s.State == ShardFinished || s.State == ShardWaiting {
			continue
		}
		seen := lease{s.Owner, s.Epoch, s.Renewals}
		if old, ok := w.leases[s.ID]; ok {
			leases[s.ID] = old
		}
		trouble := func(kind TroubleKind, format string, args ...any) {
			all = append(all, Trouble{kind, s.ID, fmt.Sprintf(format, args...)})
		}
		switch still := leases.Still(s.ID, seen, now); {
		case still < UnownedAfter:
		case s.Owner == "":
			trouble(TroubleUnowned, "nobody has owned %s for %s", s.ID, still.Round(time.Second))
		default:
			trouble(TroubleUnowned, "%s, which owns %s, has not renewed its lease for %s", s.Owner, s.ID, still.Round(time.Second))
		}
		if s.Lag > StalledAfter {
			trouble(TroubleStalled, "the oldest unfinished record of %s arrived %s ago", s.ID, s.Lag.Round(time.Second))
		}
		if s.Retention > 0 && float64(s.Lag) > RetentionShare*float64(s.Retention) {
			trouble(TroubleRetention, "%s is %s behind, and the stream drops records after %s", s.ID, s.Lag.Round(time.Minute), s.Retention)
		}
	}
	w.leases = leases // forgets shards that are gone
	return all
}
