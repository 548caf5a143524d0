package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// condition puts one and expects it back as it is given.
func (w *world) condition(account string, c store.Condition) store.Condition {
	w.Helper()
	if c.Since.IsZero() {
		c.Since = w.now
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = w.now
	}
	written, err := w.s.PutCondition(w.ctx, account, c)
	w.ok(err)
	return written
}

// conditions are the types and states of what is wrong with an account.
func (w *world) conditions(account string) (out []string) {
	w.Helper()
	health, err := w.s.Health(w.ctx, []string{account})
	w.ok(err)
	for _, c := range health[account] {
		out = append(out, c.Type+" "+string(c.State))
	}
	return out
}

const bucketType = "AWS::S3::Bucket"

var healthCases = []testCase{
	{"conditions stand beside one another and are read by account", func(w *world) {
		role := w.condition(accountA, store.Condition{State: store.RoleDenied, Reason: "größer als gedacht"})
		denied := w.condition(accountA, store.Condition{Type: bucketType, State: store.Denied, Action: "s3:GetBucketPolicy", Reason: "no"})
		throttled := w.condition(accountA, store.Condition{Type: bucketType, State: store.Throttled, Reason: "slow"})
		other := w.condition(accountB, store.Condition{Type: bucketType, State: store.MassDelete, Reason: "many", Released: w.now.Add(time.Minute)})
		w.reopen()
		health, err := w.s.Health(w.ctx, []string{accountA, accountB, accountC, "nobody"})
		w.ok(err)
		same(w, "health", health, map[string][]store.Condition{accountA: {role, denied, throttled}, accountB: {other}})
		w.ok(w.s.ClearCondition(w.ctx, accountA, bucketType, store.Denied))
		w.ok(w.s.ClearCondition(w.ctx, accountA, bucketType, store.Denied)) // none is no error
		w.ok(w.s.ClearCondition(w.ctx, "nobody", bucketType, store.Denied))
		same(w, "after one is cleared", w.conditions(accountA), []string{" role_denied", bucketType + " throttled"})
		w.ok(w.s.ClearCondition(w.ctx, accountA, "", store.RoleDenied))
		w.ok(w.s.ClearCondition(w.ctx, accountA, bucketType, store.Throttled))
		health, err = w.s.Health(w.ctx, []string{accountA})
		w.ok(err)
		same(w, "health of a well account", len(health), 0)
	}},
	{"what stands keeps its beginning, and is not written again", func(w *world) {
		first := w.condition(accountA, store.Condition{State: store.RoleDenied, Reason: "no"})
		w.tick(time.Hour)
		same(w, "told again", w.condition(accountA, store.Condition{State: store.RoleDenied, Reason: "no"}), first)
		changed := w.condition(accountA, store.Condition{State: store.RoleDenied, Reason: "still no"})
		same(w, "since", changed.Since, first.Since)
		same(w, "updated", changed.UpdatedAt, w.now)
		released := changed
		released.Released, released.UpdatedAt = w.now.Add(time.Minute), w.now.Add(time.Minute)
		same(w, "released", w.condition(accountA, released), released)
		w.ok(w.s.ClearCondition(w.ctx, accountA, "", store.RoleDenied))
		w.tick(time.Hour)
		again := w.condition(accountA, store.Condition{State: store.RoleDenied, Reason: "no"})
		same(w, "since it came back", again.Since, w.now)
	}},
	{"accounts with conditions are listed by id", func(w *world) {
		var want []string
		for i := range 7 {
			account := fmt.Sprintf("11110000000%d", 6-i)
			want = append([]string{account}, want...)
			w.condition(account, store.Condition{State: store.RoleDenied, Reason: "no"})
		}
		var got []string
		for p := (store.PageRequest{Size: 3}); ; {
			page, err := w.s.ListHealth(w.ctx, p)
			w.ok(err)
			for _, h := range page.Items {
				got = append(got, h.Account)
				same(w, "conditions of "+h.Account, len(h.Conditions), 1)
			}
			if p.Token = page.Next; p.Token == "" {
				break
			}
		}
		same(w, "listed", got, want)
	}},
	{"the health of an account goes with it", func(w *world) {
		w.ok(w.s.PutAccount(w.ctx, qrie.Account{ID: accountA}))
		w.condition(accountA, store.Condition{State: store.RoleDenied, Reason: "no"})
		w.ok(w.s.DeleteAccount(w.ctx, accountA))
		same(w, "conditions", len(w.conditions(accountA)), 0)
	}},
	{"conditions are bounded", func(w *world) {
		for i := range store.MaxConditions + 3 {
			w.condition(accountA, store.Condition{Type: fmt.Sprintf("T%03d", (i*7)%1000), State: store.Denied, Reason: "no", UpdatedAt: w.tick(time.Second)})
		}
		got := w.conditions(accountA)
		same(w, "kept", len(got), store.MaxConditions)
		for _, c := range got {
			if c == "T000 denied" || c == "T007 denied" || c == "T014 denied" {
				w.Errorf("%s is there, which was told of the longest ago", c)
			}
		}
		long := w.condition(accountB, store.Condition{State: store.Denied, Reason: strings.Repeat("ä", store.MaxReason)})
		if len(long.Reason) > store.MaxReason {
			w.Errorf("a reason of %d bytes", len(long.Reason))
		}
	}},
	{"what contradicts itself is refused", func(w *world) {
		for name, c := range map[string]store.Condition{
			"an unheard state": {State: "unwell", Since: w.now, UpdatedAt: w.now},
			"no time":          {State: store.Denied},
			"a type too long":  {State: store.Denied, Type: strings.Repeat("x", 5000), Since: w.now, UpdatedAt: w.now},
		} {
			if _, err := w.s.PutCondition(w.ctx, accountA, c); err == nil {
				w.Errorf("%s: accepted", name)
			}
		}
		if _, err := w.s.PutCondition(w.ctx, "12", store.Condition{State: store.Denied, Since: w.now, UpdatedAt: w.now}); err == nil {
			w.Error("no account id: accepted")
		}
	}},
	{"writers at once do not undo one another", func(w *world) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				c := store.Condition{Type: fmt.Sprintf("T%d", i), State: store.Denied, Reason: "no", Since: w.now, UpdatedAt: w.now}
				if _, err := w.s.PutCondition(w.ctx, accountA, c); err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		same(w, "conditions", len(w.conditions(accountA)), 8)
	}},
}
