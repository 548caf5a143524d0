// Package store is the port to what qrie remembers: accounts, launches, the
// last observation of every resource and its history, findings and their
// transitions, counters, and the small tables that make work resumable.
//
// Every write that matters is conditional. Reads are by key or by index; an
// adapter never reads a whole table to answer a request.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
)

// Store is safe for concurrent use. Errors wrap the sentinels of package qrie
// where a method says so.
type Store interface {
	Accounts
	Health
	Launches
	Resources
	Findings
	Counters
	Exceptions
	Summaries
	Work
	Deliveries
	Tokens
	Audit

	// Ping is nil while the store can read and write.
	Ping(ctx context.Context) error
	// Maintain trims what is past its retention at now (see Retention) and
	// returns how much. It may be called at any time, by anybody.
	Maintain(ctx context.Context, now time.Time) (trimmed int, err error)
	Close() error
}

// ErrUnavailable: the store cannot be reached, or takes no more for now, and was
// asked as often as it may be. Nothing is known of a write that failed so: do it
// again, later. An adapter without a server of its own never returns it.
var ErrUnavailable = errors.New("the store is not available")

// Retention of what is not kept for ever.
const (
	KeepResolved = 90 * 24 * time.Hour
	KeepHistory  = 90 * 24 * time.Hour // transitions, and versions of resources since they were replaced
	// A tombstone outlives its history: a resource that comes back goes on
	// with the next version, and no version number is ever given twice.
	KeepTombstones  = KeepHistory + 24*time.Hour
	KeepDeadLetters = 14 * 24 * time.Hour
	KeepOutbox      = 7 * 24 * time.Hour
	KeepJobs        = 30 * 24 * time.Hour
	KeepAudit       = 400 * 24 * time.Hour // a year, and the time to look back on it
)

// Accounts are few: tens of thousands at the most.
type Accounts interface {
	// PutAccount adds or replaces an account; what is stored already is not
	// written again.
	PutAccount(ctx context.Context, a qrie.Account) error
	Account(ctx context.Context, id string) (qrie.Account, error) // ErrNotFound
	ListAccounts(ctx context.Context) ([]qrie.Account, error)     // by id
	DeleteAccount(ctx context.Context, id string) error           // ErrNotFound
	// AccountsStamp grows with each account that is added, changed or deleted,
	// and stays while none is. Whoever reads it before the accounts need not
	// read them again until it has changed.
	AccountsStamp(ctx context.Context) (int64, error)
}

// Launches are the policies made active.
type Launches interface {
	// LaunchSet reads all launches at one moment, by policy.
	LaunchSet(ctx context.Context) (qrie.LaunchSet, error)
	// PutLaunch writes l under a new generation and returns it so. base is
	// the generation it was read at; 0 means that it must not exist yet.
	// ErrExists, ErrNotFound or ErrConflict where that does not hold.
	PutLaunch(ctx context.Context, l qrie.Launch, base int64) (qrie.Launch, error)
	// DeleteLaunch removes the launch and takes a new generation, so that
	// verdicts in flight are refused from now on. ErrNotFound, ErrConflict.
	DeleteLaunch(ctx context.Context, policy string, base int64) (generation int64, err error)
	// CloseFindings resolves up to limit active findings of a policy that is
	// no longer launched and forgets its heads on their resources. It returns
	// how many; fewer than limit means that none is left. With ErrConflict the
	// policy was launched again meanwhile.
	CloseFindings(ctx context.Context, policy string, why qrie.Resolution, at time.Time, limit int) (int, error)
	// PurgeFindings forgets up to limit resolved findings of a policy that is
	// not launched, before their retention has passed. It returns how many;
	// fewer than limit means that none is left. Their transitions stay in the
	// timelines of the resources for as long as any do. ErrConflict if the
	// policy is launched.
	PurgeFindings(ctx context.Context, policy string, limit int) (int, error)
}

// Head is what a resource remembers of one policy's last verdict on it.
type Head struct {
	Outcome    qrie.Outcome  `json:"o"`
	Severity   qrie.Severity `json:"s"`
	Open       bool          `json:"a"`           // an active finding exists; also while Outcome is unknown
	Reason     string        `json:"r,omitempty"` // why unknown
	Hash       string        `json:"h,omitempty"` // of the evidence and summary of the active finding
	Openings   int           `json:"n,omitempty"` // how often a finding was opened; above 1 it came back
	Generation int64         `json:"g"`
}

// Resource is the last observation of a resource and what was made of it.
type Resource struct {
	Ref        qrie.Ref
	Name       string            // what people call it
	Tags       map[string]string // at most 50, as AWS allows
	Version    int64             // grows by one with every Apply that succeeded; 0 is "none stored"
	ObservedAt time.Time         // of the newest observation, changed or not
	ChangedAt  time.Time         // when the newest observation that differed was complete, or the account was removed
	FirstSeen  time.Time
	ListedAt   time.Time // last time a scan listed it or an observation saw it
	Deleted    bool
	Hash       string          // of the document
	Heads      map[string]Head // by policy
	Generation int64           // launch set it was judged at
	DueAt      time.Time       // when a verdict may change by the clock; zero if never, and once Deleted
	Cause      qrie.Cause      // of the last change
	Explained  []string        // ids of the newest events that earlier changes are ascribed to, at most MaxExplained
	Missing    []qrie.Missing
	Ties       string          // digest of what the document tells of other resources; empty if it was not taken
	Unfinished bool            // AWS was still at work on it: it will change without another event
	Document   json.RawMessage // only where a method says so
}

// MaxExplained bounds Resource.Explained.
const MaxExplained = 16

// OpenFindings counts the active findings and tells the worst severity.
func (r Resource) OpenFindings() (n int, worst qrie.Severity) {
	for _, h := range r.Heads {
		if h.Open {
			n++
			worst = max(worst, h.Severity)
		}
	}
	return n, worst
}

// Evaluation is one judged observation: everything that follows from reading
// a resource once, written as one.
type Evaluation struct {
	// Base is the stored version that it was decided on; 0: none was stored.
	Base int64
	// Next is what is to be stored, with Document. The store sets Version to
	// Base+1. An unchanged document may be left nil.
	Next Resource
	// Changed says that the document differs from the stored one, or that the
	// resource appeared or was deleted: a version is added to the history.
	// Without it Cause is left as stored, unless Explains is set; if besides no
	// transition is made and nothing was reread, so are Name, Tags, Explained,
	// Missing, Ties and Unfinished.
	Changed bool
	// Transitions are the findings opened, changed and resolved, each with its
	// whole evidence. Their Generation must be that of the launch as stored.
	Transitions []qrie.Transition
	// Reread is set when stored documents were judged anew and nothing was
	// observed: ObservedAt is then left as it is and may equal the stored one.
	Reread bool
	// Explains is set, with Reread, when nothing was judged either and events
	// that came late tell who made what is stored. Each transition is then
	// Explained, with those events as its Cause (Ambiguous if they may be behind
	// another change instead); the store finds out what of a finding they explain,
	// if anything. Its Version is Base+1 and its ID made
	// from that, so that each telling is kept. The newest version takes
	// Next.Cause. Writing it twice is ErrConflict.
	Explains bool
	// RemovedAt is set of a tombstone that no observation told of: the account was
	// removed then, by the clock of whoever did that.
	RemovedAt time.Time
	// Again is a further look at the resource that is planned with the writing, as
	// PutDirty would. It is planned as well where the evaluation is stored
	// already; after an error it may be planned or not.
	Again *DirtyMark
}

// Version is one entry of a resource's history.
type Version struct {
	Resource   string // resource id
	Version    int64
	ObservedAt time.Time // of the tombstone of a removed account: when that was removed
	Deleted    bool
	Cause      qrie.Cause
	Document   json.RawMessage // nil in lists
}

// Resources are stored under their Ref's Key.
type Resources interface {
	// ResourceState reads a resource without its document and Cause: what it
	// takes to judge it anew. ErrNotFound. A tombstone is found, with Deleted
	// set. It may be older than what another process has written, until Apply
	// has said ErrConflict or ErrStale.
	ResourceState(ctx context.Context, ref qrie.Ref) (Resource, error)
	// Resource reads a resource with its document. ErrNotFound.
	Resource(ctx context.Context, id string) (Resource, error)
	// Apply writes an evaluation: resource, history, findings, transitions,
	// outbox, counters. All of it or nothing is seen by readers, and repeating
	// it after an error or a crash completes it. ErrStale if a newer
	// observation is stored, ErrConflict if the stored version is not Base,
	// ErrGeneration if a transition's launch is not active at its Generation.
	// An evaluation that repeats the stored one is a no-op.
	Apply(ctx context.Context, e Evaluation) error
	// ListResources gives resources by type, account, Region and id.
	ListResources(ctx context.Context, q ResourceQuery, p PageRequest) (Page[Resource], error)
	// DueResources gives up to limit resources whose DueAt has come at now,
	// earliest first.
	DueResources(ctx context.Context, now time.Time, limit int) ([]qrie.Ref, error)
	// ListVersions gives the history of a resource, newest first.
	ListVersions(ctx context.Context, resource string, p PageRequest) (Page[Version], error)
	// ResourceVersion reads one entry with its document. ErrNotFound.
	ResourceVersion(ctx context.Context, resource string, version int64) (Version, error)
}

// ResourceQuery narrows a list of resources. Values of one member are ORed,
// members ANDed, empty members ignored.
type ResourceQuery struct {
	Accounts []string
	Services []string
	Types    []string
	Regions  []string
	Text     string // part of the name, id or ARN, case-insensitive
	// Failing: true only with an active finding, false only without.
	Failing *bool
	// Deleted includes tombstones.
	Deleted bool
	// WithDocument adds the documents.
	WithDocument bool
	// ListedBefore, if set, keeps what no scan or observation has seen since.
	ListedBefore time.Time
}

// FindingQuery narrows a list of findings, in the same manner.
type FindingQuery struct {
	States     []qrie.State
	Policies   []string
	Accounts   []string
	Services   []string
	Types      []string
	Regions    []string
	Bands      []qrie.Band
	Resource   string // resource id
	Text       string // part of the ARN, name or summary, case-insensitive
	OpenedFrom time.Time
}

// Findings and their history.
type Findings interface {
	// Finding reads one with its evidence. ErrNotFound.
	Finding(ctx context.Context, id string) (qrie.Finding, error)
	// ListFindings gives findings without evidence: by severity from the
	// worst down, then by the last change from the newest back, then by id.
	ListFindings(ctx context.Context, q FindingQuery, p PageRequest) (Page[qrie.Finding], error)
	// ListTransitions gives the history of one finding or one resource,
	// newest first. Exactly one of the two ids is set.
	ListTransitions(ctx context.Context, finding, resource string, p PageRequest) (Page[qrie.Transition], error)
	// Changes gives up to limit transitions with a Seq above after, ascending,
	// without evidence; the newest Seq is returned even when there are none.
	Changes(ctx context.Context, after int64, limit int) (changes []qrie.Transition, newest int64, err error)
	// Outbox gives up to limit transitions not yet delivered, oldest first.
	Outbox(ctx context.Context, limit int) ([]qrie.Transition, error)
	// Delivered removes transitions from the outbox by id.
	Delivered(ctx context.Context, ids []string) error
}

// PageRequest asks for one page.
type PageRequest struct {
	Size  int    // 1 to MaxPage; 0 is DefaultPage
	Token string // of the page before; empty for the first
	// Scope is what bounds what the caller may see, such as its role, in one
	// spelling. A token opens for the scope that it was given to and no other.
	Scope string
}

// Sizes of a page.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// Page is part of a list. Rows that are added while a caller pages may be
// missed; none is given twice unless it changed.
type Page[T any] struct {
	Items []T
	// Next is opaque, signed and bound to the query; empty on the last page.
	// A page may hold fewer items than asked for, even none, and yet have a
	// Next: a store bounds what it reads for one page.
	Next string
}

// FindingCount is how many findings there are of one sort.
type FindingCount struct {
	Account  string // empty: of all accounts
	Policy   string
	Severity qrie.Severity
	State    qrie.State
	Count    int64
	LastAt   time.Time // of the last one that came to be in this state
}

// VerdictCount is how many resources have this outcome under a policy.
type VerdictCount struct {
	Account string
	Policy  string
	Outcome qrie.Outcome
	Count   int64
}

// ResourceCount is how many resources there are of a type.
type ResourceCount struct {
	Account string
	Type    string
	Total   int64 // tombstones left out
	Failing int64 // with at least one active finding
}

// DayCount is how many findings were opened (or reopened) and resolved on a
// day, in UTC, over all accounts.
type DayCount struct {
	Day      string // 2006-01-02
	Band     qrie.Band
	Opened   int64
	Resolved int64
}

// Drift is a counter that a recount found wrong and set right.
type Drift struct {
	Dimension string
	Had, Is   int64
}

// Counters follow what they count exactly: a change of one is written in the
// transaction of what it counts, and added once. An empty account asks for the
// totals over all accounts, which are counters of their own; EachAccount asks
// for one row an account.
type Counters interface {
	CountFindings(ctx context.Context, account string) ([]FindingCount, error)
	CountVerdicts(ctx context.Context, account string) ([]VerdictCount, error)
	CountResources(ctx context.Context, account string) ([]ResourceCount, error)
	CountDays(ctx context.Context, from string) ([]DayCount, error)
	// Recount compares counters with what is stored and corrects those that
	// differ. The result names each. One call may count a bounded part, and
	// the next goes on after it.
	Recount(ctx context.Context) ([]Drift, error)
}

// EachAccount, as an account, asks a counter for one row per account.
const EachAccount = "*"

// Summary is one entry of the summary cache.
type Summary struct {
	Key        string
	Payload    json.RawMessage
	ComputedAt time.Time
	Fence      int64 // of the refresh that wrote it
}

// MaxSummaryBytes bounds the payload of a summary: a row of a store is bounded,
// and a dashboard shows little.
const MaxSummaryBytes = 350 << 10

// Valid reports what is wrong with a summary by itself.
func (v Summary) Valid() error {
	if len(v.Payload) == 0 || len(v.Payload) > MaxSummaryBytes {
		return fmt.Errorf("summary %.40q has %d bytes; 1 to %d are possible", v.Key, len(v.Payload), MaxSummaryBytes)
	}
	return ValidName("summary", v.Key)
}

// Summaries are the shared part of the summary cache.
type Summaries interface {
	Summary(ctx context.Context, key string) (Summary, error) // ErrNotFound
	// LockSummary takes the right to refresh an entry for ttl from now. ok is
	// false while another owner holds it. The fence grows with every taking.
	LockSummary(ctx context.Context, key, owner string, now time.Time, ttl time.Duration) (fence int64, ok bool, err error)
	// PutSummary stores an entry and gives the lock back. ErrFenced if a later
	// fence was given out since.
	PutSummary(ctx context.Context, s Summary, owner string) error
	// UnlockSummary gives the lock back after a failure. ErrFenced likewise.
	UnlockSummary(ctx context.Context, key, owner string, fence int64) error
}

// DirtyMark is a mark that waits: for a later look at a resource, or until an
// account can be read again. There is one for a resource at the most, and in some
// stores another one that came with an evaluation.
type DirtyMark struct {
	Ref    qrie.Ref
	Events []qrie.Event // newest first, at most qrie.MaxCauseEvents
	Reason string       // ReasonSettle, "throttled", "denied", "unreached", ...
	DueAt  time.Time
	// Settles is the moment from which on one look shows all that the events did;
	// zero if it is to be taken when it is due whatever comes after.
	Settles  time.Time
	Attempts int
	Since    time.Time
	Revision int64 // given by the store
}

// ReasonSettle is the Reason of a look that is planned because AWS's reads settle late.
const ReasonSettle = "settle"

// DeadLetter is a record that could not be understood or handled.
type DeadLetter struct {
	ID      string    `json:"id"`
	Shard   string    `json:"shard"`
	Seq     string    `json:"seq"`
	Key     string    `json:"key"`
	Reason  string    `json:"reason"`
	Arrived time.Time `json:"arrived"`
	At      time.Time `json:"at"`
	Size    int       `json:"size"`
	Data    []byte    `json:"-"` // at most MaxDeadLetterBytes
}

// MaxDeadLetterBytes bounds the data of a dead letter; Size tells the whole.
const MaxDeadLetterBytes = 1 << 20

// Job is a long task with progress: an inventory scan, a policy scan.
type Job struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`   // "inventory", "policy"
	Scope    string    `json:"scope"`  // for people, such as "all accounts" or a policy id
	Reason   string    `json:"reason"` // "bootstrap", "scheduled", "launch", "request"
	State    JobState  `json:"state"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Pages    int64     `json:"pages"`           // page tasks planned so far
	Done     int64     `json:"done"`            // page tasks finished
	Items    int64     `json:"items"`           // resources listed or judged
	Failed   int64     `json:"failed"`          // pages that could not be done, and reads that went to the dead letters
	Error    string    `json:"error,omitempty"` // of the last page that could not be done
	// Open is 0 when every page that was planned is done, and something else
	// before: see Begin.
	Open uint64 `json:"open,omitempty"`
}

// JobState says where a job stands.
type JobState string

// The states of a job.
const (
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// JobPage is the outcome of one page task.
type JobPage struct {
	Page   string // unique within the job: counting it twice is counting it once
	Items  int64
	Failed int64
	Error  string
	Next   []string // further pages that follow this one
	// Decided says what follows, for whoever does the page again: the first
	// that is counted decides. At most MaxDecided bytes; only the caller reads
	// it.
	Decided []byte
}

// MaxDecided bounds JobPage.Decided.
const MaxDecided = 64 << 10

// Work makes work resumable.
type Work interface {
	// PutDirty adds or merges a mark: events are united, the earlier DueAt
	// wins, and the later Settles unless one has none; the higher Attempts stays.
	// A mark with the Revision that is stored replaces it instead: so a mark is
	// put off.
	PutDirty(ctx context.Context, m DirtyMark) error
	// DueDirty gives up to limit marks that are due at now, earliest first.
	DueDirty(ctx context.Context, now time.Time, limit int) ([]DirtyMark, error)
	// DeleteDirty removes those of the marks that nobody has touched since they were
	// read: a mark of another Revision stays. After an error some may be removed.
	DeleteDirty(ctx context.Context, marks []DirtyMark) error
	// CountDirty tells how many marks wait and since when the oldest does, or one
	// that is about as old.
	CountDirty(ctx context.Context) (n int64, oldest time.Time, err error)

	PutDeadLetter(ctx context.Context, d DeadLetter) error // the same id twice is once
	DeadLetter(ctx context.Context, id string) (DeadLetter, error)
	ListDeadLetters(ctx context.Context, p PageRequest) (Page[DeadLetter], error) // newest first, without data
	DeleteDeadLetter(ctx context.Context, id string) error
	CountDeadLetters(ctx context.Context) (int64, error)

	// PutJob adds a job; ErrExists if the id is taken.
	PutJob(ctx context.Context, j Job) error
	// FinishPage counts one page of a job and finishes the job with the last
	// one, in whatever order they come. ErrNotFound.
	FinishPage(ctx context.Context, job string, page JobPage, at time.Time) (Job, error)
	// JobPage reads a job, whether FinishPage has counted the page, and what the
	// page decided. ErrNotFound.
	JobPage(ctx context.Context, job, page string) (j Job, counted bool, decided []byte, err error)
	// CancelJob ends a job that runs, wherever its pages stand; pages under
	// way are counted still. Cancelling twice is cancelling once. ErrNotFound,
	// or ErrConflict if the job is done or has failed.
	CancelJob(ctx context.Context, id string, at time.Time) (Job, error)
	Job(ctx context.Context, id string) (Job, error)
	ListJobs(ctx context.Context, kind string, limit int) ([]Job, error) // newest first; kind may be empty

	// Lock takes a named lock for ttl. It returns a growing fence, or ok false
	// while another owner holds it. The owner may take it again to renew.
	Lock(ctx context.Context, name, owner string, now time.Time, ttl time.Duration) (fence int64, ok bool, err error)
}

// Token is an API token. Only its hash is stored.
type Token struct {
	Hash      string    `json:"-"` // hex SHA-256 of the secret
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Tokens are the API tokens.
type Tokens interface {
	PutToken(ctx context.Context, t Token) error
	Token(ctx context.Context, hash string) (Token, error) // ErrNotFound
	ListTokens(ctx context.Context) ([]Token, error)
	DeleteToken(ctx context.Context, id string) error // ErrNotFound
}
