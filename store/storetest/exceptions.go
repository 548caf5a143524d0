package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func (w *world) except(x store.Exception) store.Exception {
	w.Helper()
	if x.Owner == "" {
		x.Owner, x.Reason, x.CreatedAt = "mira", "accepted", w.now
	}
	written, err := w.s.PutException(w.ctx, x)
	w.ok(err)
	return written
}

// covering are the ids of the exceptions for each finding.
func (w *world) covering(at time.Time, findings ...qrie.Finding) (out []string) {
	w.Helper()
	all, err := w.s.ExceptionsFor(w.ctx, at, findings)
	w.ok(err)
	same(w, "findings answered", len(all), len(findings))
	for _, some := range all {
		var ids []string
		for _, x := range some {
			ids = append(ids, x.ID)
		}
		out = append(out, strings.Join(ids, " "))
	}
	return out
}

var exceptionCases = []testCase{
	{"put, change and delete at a revision", func(w *world) {
		_, err := w.s.Exception(w.ctx, "x")
		w.want(err, qrie.ErrNotFound)
		x := store.Exception{ID: "x", Policy: public, Resource: bucket(accountA, "data").ResourceID(), Account: accountA, Owner: "mira", Reason: "größer als gedacht",
			CreatedAt: w.now, ExpiresAt: w.now.Add(90 * 24 * time.Hour)}
		first, err := w.s.PutException(w.ctx, x)
		w.ok(err)
		if first.Revision == 0 {
			w.Error("no revision")
		}
		x.Revision = first.Revision
		same(w, "written", first, x)
		w.reopen()
		got, err := w.s.Exception(w.ctx, "x")
		w.ok(err)
		same(w, "read back", got, first)
		_, err = w.s.PutException(w.ctx, store.Exception{ID: "x", Policy: public, Owner: "o", Reason: "r"})
		w.want(err, qrie.ErrExists)
		first.Reason = "better"
		second, err := w.s.PutException(w.ctx, first)
		w.ok(err)
		_, err = w.s.PutException(w.ctx, first)
		w.want(err, qrie.ErrConflict)
		w.want(w.s.DeleteException(w.ctx, "x", first.Revision), qrie.ErrConflict)
		got, err = w.s.Exception(w.ctx, "x")
		w.ok(err)
		same(w, "unchanged by what was refused", got, second)
		w.ok(w.s.DeleteException(w.ctx, "x", second.Revision))
		w.want(w.s.DeleteException(w.ctx, "x", second.Revision), qrie.ErrNotFound)
		_, err = w.s.PutException(w.ctx, second)
		w.want(err, qrie.ErrNotFound)
		x.Revision = 0
		again, err := w.s.PutException(w.ctx, x)
		w.ok(err)
		w.want(w.s.DeleteException(w.ctx, "x", second.Revision), qrie.ErrConflict)
		same(w, "covering", w.covering(w.now, qrie.Finding{Ref: bucket(accountA, "data"), Policy: public}), []string{"x"})
		w.ok(w.s.DeleteException(w.ctx, "x", again.Revision))
		same(w, "covering nothing any more", w.covering(w.now, qrie.Finding{Ref: bucket(accountA, "data"), Policy: public}), []string{""})
	}},
	{"what contradicts itself is refused", func(w *world) {
		good := store.Exception{ID: "x", Policy: public, Owner: "mira", Reason: "accepted", CreatedAt: w.now}
		for name, spoil := range map[string]func(x *store.Exception){
			"no id":                   func(x *store.Exception) { x.ID = "" },
			"a scope of everything":   func(x *store.Exception) { x.Policy = "" },
			"no owner":                func(x *store.Exception) { x.Owner = "" },
			"no reason":               func(x *store.Exception) { x.Reason = "" },
			"no account id":           func(x *store.Exception) { x.Account = "12" },
			"over before it began":    func(x *store.Exception) { x.ExpiresAt = w.now },
			"an id too long":          func(x *store.Exception) { x.ID = strings.Repeat("x", 5000) },
			"a reason beyond reading": func(x *store.Exception) { x.Reason = strings.Repeat("x", 1<<20) },
		} {
			x := good
			spoil(&x)
			if _, err := w.s.PutException(w.ctx, x); err == nil {
				w.Errorf("%s: accepted", name)
			}
		}
		_, err := w.s.Exception(w.ctx, strings.Repeat("x", 5000))
		w.want(err, qrie.ErrNotFound)
		page, err := w.s.ListExceptions(w.ctx, store.PageRequest{})
		w.ok(err)
		same(w, "stored", len(page.Items), 0)
	}},
	{"what covers a finding", func(w *world) {
		of := func(account, id, policy string) qrie.Finding {
			return qrie.Finding{Ref: bucket(account, id), Policy: policy}
		}
		a1, a2, b1 := of(accountA, "1", public), of(accountA, "2", version), of(accountB, "1", public)
		w.except(store.Exception{ID: "policy", Policy: public})
		w.except(store.Exception{ID: "account", Account: accountA})
		w.except(store.Exception{ID: "account-policy", Account: accountA, Policy: version})
		w.except(store.Exception{ID: "resource", Resource: a1.Ref.ResourceID()})
		w.except(store.Exception{ID: "resource-policy", Resource: a1.Ref.ResourceID(), Policy: version})
		w.except(store.Exception{ID: "all-three", Resource: b1.Ref.ResourceID(), Account: accountB, Policy: public})
		w.except(store.Exception{ID: "contradiction", Resource: b1.Ref.ResourceID(), Account: accountA})
		w.except(store.Exception{ID: "expiring", Policy: version, Owner: "mira", Reason: "for an hour", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)})
		w.reopen()
		same(w, "covering", w.covering(w.now, a1, a2, b1, of(accountC, "9", "Other")),
			[]string{"account policy resource", "account account-policy expiring", "all-three policy", ""})
		same(w, "covering a nanosecond before the end", w.covering(w.now.Add(time.Hour-1), a2), []string{"account account-policy expiring"})
		same(w, "covering at its end", w.covering(w.now.Add(time.Hour), a2), []string{"account account-policy"})
		same(w, "covering nothing", w.covering(w.now), nil)
		// One that moves is not found where it was.
		x, err := w.s.Exception(w.ctx, "policy")
		w.ok(err)
		x.Policy, x.Account = "", accountB
		w.except(x)
		same(w, "after the move", w.covering(w.now, a1, b1), []string{"account resource", "all-three policy"})
	}},
	{"an exception changes nothing of its finding", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{public: 90}})
		before := w.snapshot(ref)
		w.except(store.Exception{ID: "x", Resource: ref.ResourceID()})
		same(w, "after the exception", w.snapshot(ref), before)
		same(w, "covering", w.covering(w.now, w.finding(ref, public)), []string{"x"})
	}},
	{"exceptions list by id, in pages", func(w *world) {
		var want []string
		for i := range 7 {
			w.except(store.Exception{ID: fmt.Sprint("x", (i*5)%7), Account: []string{accountA, accountB}[i%2], Owner: "mira", Reason: "r", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Nanosecond)})
			want = append(want, fmt.Sprint("x", i))
		}
		w.tick(time.Hour) // they ran out, and are listed
		var got []string
		for _, x := range paged(w, 3, func(p store.PageRequest) (store.Page[store.Exception], error) { return w.s.ListExceptions(w.ctx, p) }) {
			got = append(got, x.ID)
		}
		same(w, "listed", got, want)
	}},
	{"one of many puts an exception", func(w *world) {
		x := w.except(store.Exception{ID: "x", Policy: public})
		var won atomic.Int64
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				mine := x
				mine.Reason = fmt.Sprint("mine ", n)
				switch _, err := w.s.PutException(w.ctx, mine); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, qrie.ErrConflict):
					w.Error(err)
				}
			})
		}
		wg.Wait()
		same(w, "winners", won.Load(), int64(1))
	}},
}

var auditCases = []testCase{
	{"entries are kept as they are, newest first", func(w *world) {
		full := store.AuditEntry{ID: "r-1", At: w.now, Who: "größe", How: "ui", Action: "launch.put", Target: public, Before: "aa", After: "bb", RequestID: "r-1", IP: "192.0.2.1"}
		w.ok(w.s.AddAudit(w.ctx, full))
		w.ok(w.s.AddAudit(w.ctx, full)) // the answer was lost
		for i := range 8 {
			w.ok(w.s.AddAudit(w.ctx, store.AuditEntry{ID: fmt.Sprint("e", i), At: w.now.Add(time.Duration(i/2+1) * time.Second), Who: "mira", How: "cli",
				Action: "exception.put", Target: []string{public, version}[i%2]}))
		}
		w.reopen()
		list := func(target string, size int) (out []string) {
			for _, e := range paged(w, size, func(p store.PageRequest) (store.Page[store.AuditEntry], error) {
				return w.s.ListAudit(w.ctx, target, p)
			}) {
				out = append(out, e.ID)
			}
			return out
		}
		for _, size := range []int{1, 3, 100} {
			same(w, "all", list("", size), []string{"e7", "e6", "e5", "e4", "e3", "e2", "e1", "e0", "r-1"})
			same(w, "of a target", list(public, size), []string{"e6", "e4", "e2", "e0", "r-1"})
			same(w, "of no target", list("nothing", size), nil)
		}
		page, err := w.s.ListAudit(w.ctx, public, store.PageRequest{Size: 5})
		w.ok(err)
		same(w, "entry", page.Items[4], full)
		page, err = w.s.ListAudit(w.ctx, "", store.PageRequest{Size: 2})
		w.ok(err)
		_, err = w.s.ListAudit(w.ctx, public, store.PageRequest{Token: page.Next})
		w.want(err, qrie.ErrBadToken)
	}},
	{"entries that say too little or too much are refused", func(w *world) {
		good := store.AuditEntry{ID: "r", At: w.now, Who: "mira", How: "ui", Action: "launch.put", Target: public}
		for name, spoil := range map[string]func(e *store.AuditEntry){
			"no id":      func(e *store.AuditEntry) { e.ID = "" },
			"no time":    func(e *store.AuditEntry) { e.At = time.Time{} },
			"nobody":     func(e *store.AuditEntry) { e.Who = "" },
			"no action":  func(e *store.AuditEntry) { e.Action = "" },
			"no target":  func(e *store.AuditEntry) { e.Target = "" },
			"a long one": func(e *store.AuditEntry) { e.Target = strings.Repeat("x", 5000) },
		} {
			e := good
			spoil(&e)
			if w.s.AddAudit(w.ctx, e) == nil {
				w.Errorf("%s: accepted", name)
			}
		}
		_, err := w.s.ListAudit(w.ctx, strings.Repeat("x", 5000), store.PageRequest{})
		w.ok(err)
		page, err := w.s.ListAudit(w.ctx, "", store.PageRequest{})
		w.ok(err)
		same(w, "stored", len(page.Items), 0)
	}},
	{"the audit is kept for its time", func(w *world) {
		for i := range 130 {
			w.ok(w.s.AddAudit(w.ctx, store.AuditEntry{ID: fmt.Sprint("old", i), At: w.now, Who: "mira", Action: "a", Target: "t"}))
		}
		w.tick(time.Hour)
		w.ok(w.s.AddAudit(w.ctx, store.AuditEntry{ID: "young", At: w.now, Who: "mira", Action: "a", Target: "t"}))
		w.now = w.now.Add(store.KeepAudit - 2*time.Hour)
		w.trim()
		page, err := w.s.ListAudit(w.ctx, "t", store.PageRequest{Size: store.MaxPage})
		w.ok(err)
		same(w, "within its time", len(page.Items), 131)
		w.tick(time.Hour + time.Minute)
		w.trim()
		page, err = w.s.ListAudit(w.ctx, "t", store.PageRequest{})
		w.ok(err)
		same(w, "after its time", len(page.Items), 1)
		same(w, "the young one", page.Items[0].ID, "young")
	}},
}
