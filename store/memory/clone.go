package memory

import (
	"maps"
	"slices"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Whatever comes in or goes out is copied: a caller may do with it as it likes.

// moment is a time as it is stored: in UTC, and without the reading of a
// monotonic clock, which no other process could compare.
func moment(t time.Time) time.Time { return t.UTC().Round(0) }

func cloneResource(r store.Resource) store.Resource {
	r.ObservedAt, r.ChangedAt, r.FirstSeen = moment(r.ObservedAt), moment(r.ChangedAt), moment(r.FirstSeen)
	r.ListedAt, r.DueAt = moment(r.ListedAt), moment(r.DueAt)
	r.Tags, r.Heads = maps.Clone(r.Tags), maps.Clone(r.Heads)
	r.Cause = cloneCause(r.Cause)
	r.Explained, r.Missing, r.Document = slices.Clone(r.Explained), slices.Clone(r.Missing), slices.Clone(r.Document)
	return r
}

func cloneEvaluation(e store.Evaluation) store.Evaluation {
	e.Next = cloneResource(e.Next)
	e.Transitions = cloneAll(e.Transitions, cloneTransition)
	if e.Again != nil {
		again := cloneMark(*e.Again)
		e.Again = &again
	}
	return e
}

func cloneVersion(v store.Version) store.Version {
	v.Cause, v.Document = cloneCause(v.Cause), slices.Clone(v.Document)
	return v
}

func cloneCause(c qrie.Cause) qrie.Cause {
	c.After, c.Before, c.Events = moment(c.After), moment(c.Before), slices.Clone(c.Events)
	return c
}

func cloneEvidence(e qrie.Evidence) qrie.Evidence {
	e.Violations, e.Pointers = cloneAll(e.Violations, slices.Clone), slices.Clone(e.Pointers)
	return e
}

func cloneTransition(t qrie.Transition) qrie.Transition {
	t.At, t.Cause, t.Evidence = moment(t.At), cloneCause(t.Cause), cloneEvidence(t.Evidence)
	return t
}

func cloneFinding(f qrie.Finding) qrie.Finding {
	f.Cause, f.Evidence = cloneCause(f.Cause), cloneEvidence(f.Evidence)
	if f.ResolvedCause != nil {
		cause := cloneCause(*f.ResolvedCause)
		f.ResolvedCause = &cause
	}
	return f
}

func cloneAccount(a qrie.Account) qrie.Account {
	a.Tags, a.Regions = maps.Clone(a.Tags), slices.Clone(a.Regions)
	return a
}

func cloneLaunch(l qrie.Launch) qrie.Launch {
	l.CreatedAt, l.UpdatedAt = moment(l.CreatedAt), moment(l.UpdatedAt)
	l.Params = maps.Clone(l.Params)
	for name, value := range l.Params {
		l.Params[name] = slices.Clone(value)
	}
	if l.Severity != nil {
		severity := *l.Severity
		l.Severity = &severity
	}
	s := &l.Scope
	s.IncludeAccounts, s.ExcludeAccounts = slices.Clone(s.IncludeAccounts), slices.Clone(s.ExcludeAccounts)
	s.IncludeOUPaths, s.ExcludeOUPaths = slices.Clone(s.IncludeOUPaths), slices.Clone(s.ExcludeOUPaths)
	s.IncludeTags, s.ExcludeTags = cloneTags(s.IncludeTags), cloneTags(s.ExcludeTags)
	return l
}

func cloneTags(tags map[string][]string) map[string][]string {
	tags = maps.Clone(tags)
	for key, values := range tags {
		tags[key] = slices.Clone(values)
	}
	return tags
}

func cloneMark(m store.DirtyMark) store.DirtyMark {
	m.DueAt, m.Settles, m.Since, m.Events = moment(m.DueAt), moment(m.Settles), moment(m.Since), slices.Clone(m.Events)
	return m
}

func cloneLetter(d store.DeadLetter) store.DeadLetter {
	d.Arrived, d.At, d.Data = moment(d.Arrived), moment(d.At), slices.Clone(d.Data)
	return d
}

func cloneAll[S ~[]T, T any](all S, clone func(T) T) S {
	all = slices.Clone(all)
	for i := range all {
		all[i] = clone(all[i])
	}
	return all
}
