package qrie

import (
	"encoding/json"
	"time"
)

// Observation is the complete configuration of one resource as AWS told it.
type Observation struct {
	Ref Ref `json:"ref"`
	// ObservedAt is when the describe call began. It is the version of the
	// resource: an older observation never replaces a newer one.
	ObservedAt time.Time `json:"observed_at"`
	// AnsweredAt is when AWS had answered. Its calls take a second or more together,
	// and what happened meanwhile may be in the document. Zero is ObservedAt.
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	// Document is AWS's full answer, one member per API call under AWS's own
	// names, plus "missing". Nil when Deleted.
	Document json.RawMessage `json:"document,omitempty"`
	// Deleted is set when the describe call said there is no such resource.
	Deleted bool `json:"deleted,omitempty"`
}

// Shows reports the moment from which on what happens cannot be in the document.
func (o Observation) Shows() time.Time {
	if o.AnsweredAt.After(o.ObservedAt) {
		return o.AnsweredAt
	}
	return o.ObservedAt
}

// Missing is one member of a document that could not be read. Missing is not
// absent: a policy that reads a missing member yields Unknown.
type Missing struct {
	Member string `json:"member"` // the document's member, such as Policy
	Code   string `json:"code"`   // AWS's error code, such as AccessDenied
	Action string `json:"action"` // the IAM action that lacks, such as s3:GetBucketPolicy
}
