package store

import (
	"context"
	"fmt"
	"time"
)

// AuditEntry says what somebody did. It is never changed.
type AuditEntry struct {
	ID        string // unique, such as the request's
	At        time.Time
	Who       string
	How       string // "ui", "token" or "cli"
	Action    string // such as "launch.put"
	Target    string // what it was done to, such as a policy's id
	Before    string // hash of the target before; empty if there was none
	After     string // and after
	RequestID string
	IP        string
}

// Audit is the record of what people did. It can only be added to; Maintain
// trims what is older than KeepAudit.
type Audit interface {
	// AddAudit adds an entry. The same entry twice is once.
	AddAudit(ctx context.Context, e AuditEntry) error
	// ListAudit gives entries newest first, those of one target or, if it is
	// empty, all.
	ListAudit(ctx context.Context, target string, p PageRequest) (Page[AuditEntry], error)
}

// maxAuditText bounds each text of an entry, in bytes.
const maxAuditText = 512

// Valid reports what is wrong with an entry by itself.
func (e AuditEntry) Valid() error {
	bad := func(what string) error { return fmt.Errorf("audit entry %q: %s", e.ID, what) }
	switch {
	case e.ID == "":
		return bad("it needs an id")
	case e.At.IsZero():
		return bad("it does not say when")
	case e.Who == "" || e.Action == "" || e.Target == "":
		return bad("it does not say who did what to what")
	}
	for _, text := range []string{e.ID, e.Who, e.How, e.Action, e.Target, e.Before, e.After, e.RequestID, e.IP} {
		if len(text) > maxAuditText {
			return bad(fmt.Sprintf("a text of it is longer than %d bytes", maxAuditText))
		}
	}
	return nil
}
