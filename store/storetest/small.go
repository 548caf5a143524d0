package storetest

import (
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
