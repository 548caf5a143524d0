package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

var smallCases = []testCase{
	{"ping", func(w *world) { w.ok(w.s.Ping(w.ctx)) }},
	{"accounts", func(w *world) {
		a := qrie.Account{ID: accountB, Name: "Größe", OU: "/Prod/Web", Tags: map[string]string{"a": ""}, Regions: []string{"eu-west-1"},
			RoleARN: "arn:aws:iam::444455556666:role/qrie", ExternalID: "secret"}
		b := qrie.Account{ID: accountA, Name: "first"}
		w.ok(w.s.PutAccount(w.ctx, a))
		w.ok(w.s.PutAccount(w.ctx, b))
		b.Name = "renamed"
		w.ok(w.s.PutAccount(w.ctx, b))
		if w.s.PutAccount(w.ctx, qrie.Account{ID: "12"}) == nil {
			w.Error("an account id of two digits was taken")
		}
		w.reopen()
		got, err := w.s.Account(w.ctx, accountB)
		w.ok(err)
		same(w, "account", got, a)
		all, err := w.s.ListAccounts(w.ctx)
		w.ok(err)
		same(w, "accounts", all, []qrie.Account{b, a})
		w.ok(w.s.DeleteAccount(w.ctx, accountB))
		w.want(w.s.DeleteAccount(w.ctx, accountB), qrie.ErrNotFound)
		_, err = w.s.Account(w.ctx, accountB)
		w.want(err, qrie.ErrNotFound)
	}},
	{"the stamp of the accounts changes with them", func(w *world) {
		stamp := func() int64 {
			w.Helper()
			n, err := w.s.AccountsStamp(w.ctx)
			w.ok(err)
			return n
		}
		last := stamp()
		grown := func(what string, err error) {
			w.Helper()
			w.ok(err)
			now := stamp()
			if now <= last {
				w.Errorf("%s: stamp %d after %d", what, now, last)
			}
			last = now
		}
		a := qrie.Account{ID: accountA, Name: "first", Tags: map[string]string{"b": "2", "a": "1"}}
		grown("added", w.s.PutAccount(w.ctx, a))
		a.Name = "renamed"
		grown("renamed", w.s.PutAccount(w.ctx, a))
		a.ExternalID = "secret"
		grown("another secret", w.s.PutAccount(w.ctx, a))
		grown("another account", w.s.PutAccount(w.ctx, qrie.Account{ID: accountB}))

		w.ok(w.s.PutAccount(w.ctx, a))
		same(w, "stamp after the same again", stamp(), last)
		w.want(w.s.DeleteAccount(w.ctx, accountC), qrie.ErrNotFound)
		if w.s.PutAccount(w.ctx, qrie.Account{ID: "12"}) == nil {
			w.Error("an account id of two digits was taken")
		}
		same(w, "stamp after refusals", stamp(), last)
		w.reopen()
		same(w, "stamp after reopening", stamp(), last)
		grown("deleted", w.s.DeleteAccount(w.ctx, accountA))
		grown("added again", w.s.PutAccount(w.ctx, a))

		const writers = 8
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				if err := w.s.PutAccount(w.ctx, qrie.Account{ID: fmt.Sprintf("%012d", i)}); err != nil {
					w.Errorf("put an account: %v", err)
				}
			})
		}
		wg.Wait()
		if now := stamp(); now < last+writers {
			w.Errorf("stamp %d after %d and %d accounts at once", now, last, writers)
		}
	}},
	{"names that cannot be kept are refused, and name nothing", func(w *world) {
		for _, name := range []string{"", strings.Repeat("x", store.MaxName+1)} {
			for what, err := range map[string]error{
				"token":        w.s.PutToken(w.ctx, store.Token{ID: name, Hash: "h"}),
				"hash":         w.s.PutToken(w.ctx, store.Token{ID: "t", Hash: name}),
				"job":          w.s.PutJob(w.ctx, store.Job{ID: name, Kind: "policy", Started: w.now}),
				"kind of job":  w.s.PutJob(w.ctx, store.Job{ID: "j", Kind: name, Started: w.now}),
				"dead letter":  w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: name, At: w.now}),
				"summary":      w.s.PutSummary(w.ctx, store.Summary{Key: name, Payload: json.RawMessage("1")}, "o"),
				"lock":         second(w.s.Lock(w.ctx, name, "o", w.now, time.Minute)),
				"owner":        second(w.s.Lock(w.ctx, "l", name, w.now, time.Minute)),
				"summary lock": second(w.s.LockSummary(w.ctx, name, "o", w.now, time.Minute)),
				"launch":       func() error { _, err := w.s.PutLaunch(w.ctx, qrie.Launch{Policy: name}, 0); return err }(),
			} {
				if err == nil {
					w.Errorf("%s: a name of %d bytes was taken", what, len(name))
				}
			}
			for what, err := range map[string]error{
				"token":         func() error { _, err := w.s.Token(w.ctx, name); return err }(),
				"job":           func() error { _, err := w.s.Job(w.ctx, name); return err }(),
				"page of a job": func() error { _, err := w.s.FinishPage(w.ctx, name, store.JobPage{Page: "p"}, w.now); return err }(),
				"dead letter":   func() error { _, err := w.s.DeadLetter(w.ctx, name); return err }(),
				"summary":       func() error { _, err := w.s.Summary(w.ctx, name); return err }(),
				"exception":     func() error { _, err := w.s.Exception(w.ctx, name); return err }(),
				"account":       func() error { _, err := w.s.Account(w.ctx, name); return err }(),
				"launch":        func() error { _, err := w.s.DeleteLaunch(w.ctx, name, 1); return err }(),
				"a token gone":  w.s.DeleteToken(w.ctx, name),
				"a letter gone": w.s.DeleteDeadLetter(w.ctx, name),
			} {
				if !errors.Is(err, qrie.ErrNotFound) {
					w.Errorf("%s named by %d bytes: %v", what, len(name), err)
				}
			}
		}
		longest := strings.Repeat("ü", store.MaxName/2)
		w.ok(w.s.PutJob(w.ctx, store.Job{ID: longest, Kind: longest, Started: w.now}))
		w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: longest, At: w.now}))
		w.ok(w.s.PutToken(w.ctx, store.Token{ID: longest, Hash: longest}))
		_, err := w.s.FinishPage(w.ctx, longest, store.JobPage{Page: longest}, w.now)
		w.ok(err)
		_, err = w.s.DeadLetter(w.ctx, longest)
		w.ok(err)
		_, err = w.s.Token(w.ctx, longest)
		w.ok(err)
	}},
	{"numbers and times at their ends", func(w *world) {
		far, old := time.Date(2200, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(1970, 1, 1, 0, 0, 0, 1, time.UTC)
		for i, at := range []time.Time{old, w.now, far} {
			id := fmt.Sprint(i)
			w.ok(w.s.PutJob(w.ctx, store.Job{ID: id, Kind: "policy", Started: at, Pages: math.MaxInt64 - 1, Items: -1}))
			w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: id, At: at, Size: math.MaxInt32}))
			w.ok(w.s.PutDirty(w.ctx, store.DirtyMark{Ref: bucket(accountA, id), DueAt: at, Since: at, Attempts: math.MaxInt32}))
			j, err := w.s.Job(w.ctx, id)
			w.ok(err)
			same(w, "job", j, store.Job{ID: id, Kind: "policy", Started: at, Pages: math.MaxInt64 - 1, Items: -1})
		}
		jobs, err := w.s.ListJobs(w.ctx, "policy", 9)
		w.ok(err)
		same(w, "order of jobs", []string{jobs[0].ID, jobs[1].ID, jobs[2].ID}, []string{"2", "1", "0"})
		due, err := w.s.DueDirty(w.ctx, far, 9)
		w.ok(err)
		same(w, "order of marks", []string{due[0].Ref.ID, due[1].Ref.ID, due[2].Ref.ID}, []string{"0", "1", "2"})
		same(w, "attempts", due[2].Attempts, math.MaxInt32)
		due, err = w.s.DueDirty(w.ctx, old.Add(-1), 9)
		w.ok(err)
		same(w, "due a nanosecond before", len(due), 0)
	}},
	{"of equal moments the id decides", func(w *world) {
		for _, id := range []string{"b", "a", "B", "ä", "aa"} {
			w.ok(w.s.PutJob(w.ctx, store.Job{ID: id, Kind: "policy", Started: w.now}))
			w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: id, At: w.now}))
			w.ok(w.s.AddAudit(w.ctx, store.AuditEntry{ID: id, At: w.now, Who: "mira", Action: "a", Target: "t"}))
		}
		want := []string{"ä", "b", "aa", "a", "B"} // bytes, downwards
		jobs, err := w.s.ListJobs(w.ctx, "", 9)
		w.ok(err)
		var got []string
		for _, j := range jobs {
			got = append(got, j.ID)
		}
		same(w, "jobs", got, want)
		got = nil
		for _, d := range paged(w, 2, func(p store.PageRequest) (store.Page[store.DeadLetter], error) { return w.s.ListDeadLetters(w.ctx, p) }) {
			got = append(got, d.ID)
		}
		same(w, "dead letters", got, want)
		got = nil
		for _, e := range paged(w, 2, func(p store.PageRequest) (store.Page[store.AuditEntry], error) { return w.s.ListAudit(w.ctx, "", p) }) {
			got = append(got, e.ID)
		}
		same(w, "audit", got, want)
	}},
	{"tokens", func(w *world) {
		a := store.Token{Hash: "aa", ID: "1", Name: "ci", Role: "viewer", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
		b := store.Token{Hash: "bb", ID: "2", Name: "mira", Role: "admin", CreatedAt: w.now}
		w.ok(w.s.PutToken(w.ctx, b))
		w.ok(w.s.PutToken(w.ctx, a))
		w.reopen()
		got, err := w.s.Token(w.ctx, "aa")
		w.ok(err)
		same(w, "token", got, a)
		_, err = w.s.Token(w.ctx, "1")
		w.want(err, qrie.ErrNotFound)
		all, err := w.s.ListTokens(w.ctx)
		w.ok(err)
		same(w, "tokens", all, []store.Token{a, b})
		w.ok(w.s.DeleteToken(w.ctx, "1"))
		w.want(w.s.DeleteToken(w.ctx, "1"), qrie.ErrNotFound)
		_, err = w.s.Token(w.ctx, "aa")
		w.want(err, qrie.ErrNotFound)
	}},
}

// second is the error of taking a lock.
func second(_ int64, _ bool, err error) error { return err }
