package qrie

import "time"

// Event is what qrie keeps of one CloudTrail record: enough to say who did
// what and when, and nothing of what the resource became. Events carry no
// truth; the describe call does.
type Event struct {
	ID        string    `json:"id"`     // CloudTrail eventID
	Name      string    `json:"name"`   // eventName, such as PutBucketPolicy
	Source    string    `json:"source"` // eventSource, such as s3.amazonaws.com
	Account   string    `json:"account"`
	Region    string    `json:"region"`
	Time      time.Time `json:"time"`             // one-second resolution, clock of the API host: a hint, never a version
	Arrived   time.Time `json:"arrived,omitzero"` // when the record entered the stream
	SourceIP  string    `json:"source_ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"` // at most 256 bytes
	Actor     Actor     `json:"actor"`
	// Wide is set where the event named the type of the resource and not which
	// of them: it may be the cause, and another event as well.
	Wide bool `json:"wide,omitempty"`
}

// MayFollow reports whether the event may have happened after a moment: its time is
// cut off to whole seconds.
func (e Event) MayFollow(at time.Time) bool { return e.Time.Add(time.Second).After(at) }

// Actor is who called the API, as far as CloudTrail tells.
type Actor struct {
	Kind     ActorKind `json:"kind"`
	Name     string    `json:"name"` // what a colleague would call it: the session name, the user, the service
	Type     string    `json:"type"` // userIdentity.type, as AWS writes it
	ARN      string    `json:"arn,omitempty"`
	Account  string    `json:"account,omitempty"`
	Role     string    `json:"role,omitempty"`     // session issuer's name, for assumed roles
	Via      string    `json:"via,omitempty"`      // SSO, OIDC, SAML, or the service that called on someone's behalf
	Identity string    `json:"identity,omitempty"` // source identity or federated subject, where there is one
	Tool     string    `json:"tool,omitempty"`     // console, CLI, Terraform, CloudFormation, SDK, AWS service; from the user agent
}

// ActorKind is the broad sort of an actor.
type ActorKind string

// The kinds of actor. A kind that cannot be told is ActorUnknown.
const (
	ActorHuman    ActorKind = "human"
	ActorPipeline ActorKind = "pipeline"
	ActorService  ActorKind = "aws_service"
	ActorRoot     ActorKind = "root"
	ActorUnknown  ActorKind = "unknown"
)

// Mark says that a resource may have changed. It carries no state: a forged
// or repeated mark costs one describe call at the most. A Ref without an ID
// marks every resource of its type in the account and Region.
type Mark struct {
	Ref    Ref        `json:"ref"`
	Reason MarkReason `json:"reason"`
	Event  *Event     `json:"event,omitempty"` // the event behind it, for ReasonEvent
	Scan   string     `json:"scan,omitempty"`  // the scan behind it, for ReasonScan
}

// MarkReason is why a resource was marked.
type MarkReason string

// The reasons for a mark.
const (
	ReasonEvent MarkReason = "event" // a CloudTrail event names it
	ReasonScan  MarkReason = "scan"  // a scan listed it, or did not list what is stored
)
