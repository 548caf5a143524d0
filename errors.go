package qrie

import (
	"errors"
	"fmt"
	"time"
)

// Errors that the ports promise. Adapters wrap them with what they tried.
var (
	// ErrNotFound: there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrStale: a newer observation is already stored. Nothing was changed.
	ErrStale = errors.New("a newer observation is stored")
	// ErrConflict: the thing changed since it was read. Nothing was changed;
	// read it again and decide again.
	ErrConflict = errors.New("changed since it was read")
	// ErrGeneration: a policy was launched, changed or deleted since it was
	// evaluated. Nothing was changed; load the launches and evaluate again.
	ErrGeneration = errors.New("policy changed since it was evaluated")
	// ErrFenced: the lock or lease was taken by another owner.
	ErrFenced = errors.New("lock was taken by another owner")
	// ErrExists: it is there already.
	ErrExists = errors.New("exists already")
	// ErrBadToken: a page token is damaged, forged, or was made for another
	// filter.
	ErrBadToken = errors.New("page token does not belong to this query")
)

// FaultKind is the class of a failed AWS call: it decides what happens next.
type FaultKind string

// The classes of fault.
const (
	Throttled FaultKind = "throttled" // try later, and slower
	Denied    FaultKind = "denied"    // an IAM action lacks; the state stays as it is
	Unreached FaultKind = "unreached" // the account's role cannot be assumed
	Transient FaultKind = "transient" // network, 5xx: try again
	Invalid   FaultKind = "invalid"   // AWS refuses the request: trying again cannot help
)

// Lasts reports a fault that does not pass by itself: somebody has to see to it.
func (k FaultKind) Lasts() bool { return k == Denied || k == Unreached || k == Invalid }

// Fault is a failed AWS call, classified where it failed.
type Fault struct {
	Kind       FaultKind
	Account    string
	Region     string
	Action     string        // the IAM action, such as ec2:DescribeInstances
	Code       string        // AWS's error code
	RetryAfter time.Duration // 0 if AWS does not say
	Err        error
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s in account %s, %s: %s (%s): %v", f.Action, f.Account, f.Region, f.Kind, f.Code, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }
