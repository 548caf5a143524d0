package processor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/store"
)

// look is one observation about to be judged, with all it is judged by.
type look struct {
	stored  *store.Resource // nil if the resource is new
	obs     qrie.Observation
	hash    string // of the observed document, if it is known already
	reread  bool   // obs is the stored document: nothing was observed
	events  []qrie.Event
	note    string // why it was looked at, for a cause without events
	account qrie.Account
	board   *board
	now     time.Time
	again   *store.DirtyMark // a further look that is to be planned
}

// judge decides everything that follows from one look. It does no I/O: the
// same look gives the same evaluation.
func judge(l look) store.Evaluation {
	next := store.Resource{Ref: l.obs.Ref, ObservedAt: l.obs.ObservedAt, ListedAt: l.obs.ObservedAt, FirstSeen: l.obs.ObservedAt,
		Deleted: l.obs.Deleted, Document: l.obs.Document, Hash: l.hash, Generation: l.board.generation}
	if next.Hash == "" {
		next.Hash = hashDocument(l.obs.Ref.Type, l.obs.Document)
	}
	if l.board.foreign[next.Ref.Type] {
		next.Generation = 0 // the next look judges anew
	}
	eval := store.Evaluation{Reread: l.reread, Again: l.again}
	if l.stored != nil {
		eval.Base = l.stored.Version
		next.Name, next.Tags, next.FirstSeen = l.stored.Name, l.stored.Tags, l.stored.FirstSeen
		next.ChangedAt, next.Explained = l.stored.ChangedAt, l.stored.Explained
		if next.Ref.ARN == "" {
			next.Ref.ARN = l.stored.Ref.ARN
		}
		if l.reread {
			next.ListedAt = l.stored.ListedAt
		}
	}
	eval.Changed = !l.reread && (l.stored == nil || l.stored.Deleted != next.Deleted || l.stored.Hash != next.Hash)
	cause := qrie.Cause{Attribution: qrie.AttributionUnknown, Events: []qrie.Event{}, Note: l.note}
	if eval.Changed {
		cause = causeOf(l.stored, l.obs, l.events, l.note)
		next.ChangedAt, next.Cause = l.obs.Shows(), cause
		next.Explained = explain(next.Explained, cause)
	}

	if !eval.Changed && l.settled() {
		// Nothing to judge anew: what is left to write is when it was seen.
		next.Heads, next.Missing, next.DueAt, next.Document = l.stored.Heads, l.stored.Missing, l.stored.DueAt, nil
		next.Ties, next.Unfinished = l.stored.Ties, l.stored.Unfinished
		eval.Next = next
		return eval
	}
	var heads map[string]store.Head
	if l.stored != nil {
		heads = l.stored.Heads
	}
	if next.Deleted {
		next.Tags, next.Heads = nil, map[string]store.Head{}
		for policy, h := range heads {
			if h.Open {
				eval.Transitions = append(eval.Transitions, l.transition(next, policy, h, qrie.Closed, cause, qrie.Verdict{}, qrie.ResolvedDeleted))
			}
		}
		sortTransitions(eval.Transitions)
		eval.Next = next
		return eval
	}

	next.Ties, next.Unfinished = ties(l.obs), unfinished(l.obs)
	view, err := decode(l.obs)
	if err == nil {
		next.Name, next.Tags, next.Missing = view.Name, view.Tags, view.Missing
		if view.ARN != "" {
			next.Ref.ARN = view.ARN
		}
	}
	next.Heads = maps.Clone(heads)
	if next.Heads == nil {
		next.Heads = map[string]store.Head{}
	}
	for policy, h := range next.Heads {
		// A policy that is gone is closed by whoever removed it; its head stays
		// for as long as its finding is active.
		if _, ok := l.board.launches[policy]; !ok && !h.Open {
			delete(next.Heads, policy)
		}
	}
	for _, p := range l.board.programs[next.Ref.Type] {
		var v qrie.Verdict
		if err != nil {
			v = qrie.Verdict{Policy: p.policy.ID, Outcome: qrie.Unknown, Reason: err.Error()}
		} else {
			v = evaluate(p, policies.Input{View: view, Ref: next.Ref, Account: l.account, Now: l.now})
		}
		if !v.DueAt.IsZero() && (next.DueAt.IsZero() || v.DueAt.Before(next.DueAt)) {
			next.DueAt = v.DueAt
		}
		by := cause
		if l.stored != nil && heads[p.policy.ID].Generation != p.launch.Generation {
			by = by.Unsure() // the policy may say something else of what was there before
		}
		head, t := l.verdict(next, heads[p.policy.ID], v, p.launch.Generation, by)
		next.Heads[p.policy.ID] = head
		if t != nil {
			eval.Transitions = append(eval.Transitions, *t)
		}
	}
	sortTransitions(eval.Transitions)
	eval.Next = next
	return eval
}

// settled reports whether the stored verdicts hold for an unchanged document:
// they are of the present policies, and no date has passed that they rest on.
func (l look) settled() bool {
	return !l.reread && l.stored != nil && l.stored.Generation == l.board.generation &&
		(l.stored.DueAt.IsZero() || l.now.Before(l.stored.DueAt))
}

// verdict turns the last head and a new verdict into the new head and the
// transition between them, if there is one.
func (l look) verdict(next store.Resource, old store.Head, v qrie.Verdict, generation int64, cause qrie.Cause) (store.Head, *qrie.Transition) {
	head := store.Head{Outcome: v.Outcome, Severity: v.Severity, Generation: generation, Openings: old.Openings}
	change := func(kind qrie.TransitionKind, why qrie.Resolution) *qrie.Transition {
		t := l.transition(next, v.Policy, head, kind, cause, v, why)
		return &t
	}
	switch v.Outcome {
	case qrie.Fail:
		head.Open, head.Hash = true, hashEvidence(v)
		switch {
		case !old.Open:
			head.Openings++
			if head.Openings > 1 {
				return head, change(qrie.Reopened, "")
			}
			return head, change(qrie.Opened, "")
		case old.Hash != head.Hash || old.Severity != head.Severity:
			return head, change(qrie.Changed, "")
		}
		return head, nil
	case qrie.Unknown:
		// What cannot be seen changes nothing: an active finding stays so.
		head.Reason, head.Open, head.Hash = v.Reason, old.Open, old.Hash
		if old.Open {
			head.Severity = old.Severity
		}
		return head, nil
	}
	if !old.Open {
		return head, nil
	}
	head.Severity = old.Severity
	if v.Outcome == qrie.Skip && v.OutOfScope {
		return head, change(qrie.Closed, qrie.ResolvedOutOfScope)
	}
	return head, change(qrie.Closed, qrie.ResolvedFixed)
}

func (l look) transition(next store.Resource, policy string, h store.Head, kind qrie.TransitionKind, cause qrie.Cause, v qrie.Verdict, why qrie.Resolution) qrie.Transition {
	finding := next.Ref.FindingID(policy)
	var version int64 = 1
	if l.stored != nil {
		version = l.stored.Version + 1
	}
	return qrie.Transition{
		ID: qrie.TransitionID(finding, version, h.Generation, kind), Kind: kind, Finding: finding,
		Ref: next.Ref, Name: next.Name, Policy: policy, Severity: h.Severity, Resolution: why,
		Summary: v.Summary, Evidence: v.Evidence, Cause: cause, At: l.now, Generation: h.Generation, Version: version,
	}
}

// evaluate runs one policy; its panic is its own Unknown and nobody else's.
func evaluate(p program, in policies.Input) (v qrie.Verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = qrie.Verdict{Policy: p.policy.ID, Outcome: qrie.Unknown, Reason: fmt.Sprintf("BUG: the policy panicked: %v", r)}
		}
	}()
	return p.run.Evaluate(in)
}

func decode(obs qrie.Observation) (resources.View, error) {
	t, ok := resources.Find(obs.Ref.Type)
	if !ok {
		return resources.View{}, fmt.Errorf("resource type %s is not known to this version", obs.Ref.Type)
	}
	view, err := t.View(obs.Ref, obs.Document)
	if err != nil {
		return resources.View{}, fmt.Errorf("document of %s: %w", obs.Ref, err)
	}
	return view, nil
}

// ties is a digest of what an observation tells of other resources.
func ties(obs qrie.Observation) string {
	if t, ok := resources.Find(obs.Ref.Type); ok && !obs.Deleted {
		return t.Ties(obs.Document)
	}
	return ""
}

// unfinished reports whether AWS was still at work on what was observed.
func unfinished(obs qrie.Observation) bool {
	t, ok := resources.Find(obs.Ref.Type)
	return ok && !obs.Deleted && t.Unfinished(obs.Document)
}

// hashDocument changes with whatever somebody may have changed.
func hashDocument(resourceType string, document []byte) string {
	if len(document) == 0 {
		return ""
	}
	if t, ok := resources.Find(resourceType); ok {
		document = t.Steady(document)
	}
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:12])
}

// hashEvidence changes whenever the finding would read differently.
func hashEvidence(v qrie.Verdict) string {
	h := sha256.New()
	h.Write([]byte(v.Summary))
	_ = json.NewEncoder(h).Encode(v.Evidence) // a hash does not fail, and evidence is plain data
	return hex.EncodeToString(h.Sum(nil)[:8])
}
