package sim

import "time"

// Options of a world. The zero value is a small healthy organisation.
type Options struct {
	// Seed decides everything that is left to chance.
	Seed uint64
	// Accounts and Resources say how large the organisation is; 0 means
	// DefaultAccounts and DefaultResources. Resources counts every type, and
	// each account counts as one.
	Accounts, Resources int
	// Busy is how many of the resources Load changes, a like part of each type;
	// 0 means all.
	Busy int
	// Start is the moment up to which the organisation's past reaches: what
	// was created a year ago was created a year before Start. Zero means Now
	// at New. A world made again with the same seed, sizes and Start has the
	// same documents.
	Start time.Time
	// Now is the clock of Describe, List, Change and Expect; nil means
	// time.Now.
	Now func() time.Time
	// Faults to begin with; SetFaults changes them.
	Faults Faults
	// PageSize is how many resources List returns at a time; 0 means
	// DefaultPageSize.
	PageSize int
}

// The sizes that a zero Options means.
const (
	DefaultAccounts  = 12
	DefaultResources = 1200
	DefaultPageSize  = 100
)

// Faults are what goes wrong between the organisation and qrie. All are off
// in the zero value. Chances are from 0 to 1.
type Faults struct {
	// Delivery of events. An event arrives between LagMin and LagMax after
	// its time, more often early than late.
	LagMin, LagMax time.Duration
	Duplicate      float64       // chance that an event arrives twice to four times
	Reorder        float64       // chance that an event is held back by up to ReorderBy
	ReorderBy      time.Duration // zero: a minute
	Loss           float64       // chance that an event never arrives

	// Stale is how long after a change Describe may still show the state
	// before it. Each change draws its own time up to this.
	Stale time.Duration

	// Work is how long AWS may be at work on a database after a change. Describe
	// shows meanwhile that it is, and no event tells the end. Each change draws its
	// own time up to this.
	Work time.Duration

	// Failed calls.
	Throttle  float64  // chance that Describe or List is throttled
	Transient float64  // chance that it fails in passing
	Denied    []Denial // permissions that qrie's role lacks
	Unreached []string // accounts, by id or name, whose role cannot be assumed
}

// Denial is an IAM action that qrie's role lacks in one account.
type Denial struct {
	Account string // id or name
	Action  string // such as s3:GetBucketPolicy
}

// DemoFaults are light: events lag by a few seconds, some come twice, and one
// account lacks a permission, so that a demo shows what "unknown" looks like.
func DemoFaults() Faults {
	return Faults{
		LagMin:    500 * time.Millisecond,
		LagMax:    3 * time.Second,
		Duplicate: 0.05,
		Denied:    []Denial{{Account: "data-staging", Action: "s3:GetBucketVersioning"}},
	}
}

// SetFaults replaces the faults from now on. Events that were given out keep
// the times they have.
func (w *World) SetFaults(f Faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setFaults(f)
}

func (w *World) setFaults(f Faults) {
	if f.ReorderBy <= 0 {
		f.ReorderBy = time.Minute
	}
	w.faults = f
	for _, a := range w.accounts {
		a.denied, a.unreached = nil, false
		for _, d := range f.Denied {
			if d.Account != a.ID && d.Account != a.Name {
				continue
			}
			if a.denied == nil {
				a.denied = map[string]bool{}
			}
			a.denied[d.Action] = true
		}
		for _, name := range f.Unreached {
			if name == a.ID || name == a.Name {
				a.unreached = true
			}
		}
	}
}
