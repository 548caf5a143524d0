package storetest

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const ttl = 30 * time.Second

func (w *world) lockSummary(owner string) (int64, bool) {
	w.Helper()
	fence, ok, err := w.s.LockSummary(w.ctx, "dashboard", owner, w.now, ttl)
	w.ok(err)
	return fence, ok
}

func payload(s string, w *world, fence int64) store.Summary {
	return store.Summary{Key: "dashboard", Payload: json.RawMessage(`"` + s + `"`), ComputedAt: w.now, Fence: fence}
}

var summaryCases = []testCase{
	{"lock, put, read", func(w *world) {
		_, err := w.s.Summary(w.ctx, "dashboard")
		w.want(err, qrie.ErrNotFound)
		fence, ok := w.lockSummary("a")
		same(w, "locked", ok, true)
		_, err = w.s.Summary(w.ctx, "dashboard")
		w.want(err, qrie.ErrNotFound)
		_, ok = w.lockSummary("b")
		same(w, "locked by another", ok, false)
		w.ok(w.s.PutSummary(w.ctx, payload("one", w, fence), "a"))
		w.reopen()
		got, err := w.s.Summary(w.ctx, "dashboard")
		w.ok(err)
		same(w, "summary", got, payload("one", w, fence))
		later, ok := w.lockSummary("b")
		same(w, "free after the put", ok, true)
		if later <= fence {
			w.Errorf("fence %d after %d", later, fence)
		}
		_, ok = w.lockSummary("c")
		same(w, "held again", ok, false)
	}},
	{"a stale owner is refused", func(w *world) {
		slow, _ := w.lockSummary("slow")
		w.tick(ttl - time.Second)
		_, ok := w.lockSummary("quick")
		same(w, "before it ran out", ok, false)
		w.tick(time.Second)
		quick, ok := w.lockSummary("quick")
		same(w, "after it ran out", ok, true)
		w.want(w.s.PutSummary(w.ctx, payload("slow", w, slow), "slow"), qrie.ErrFenced)
		w.want(w.s.UnlockSummary(w.ctx, "dashboard", "slow", slow), qrie.ErrFenced)
		w.want(w.s.PutSummary(w.ctx, payload("forged", w, quick), "slow"), qrie.ErrFenced)
		w.ok(w.s.PutSummary(w.ctx, payload("quick", w, quick), "quick"))
		w.want(w.s.PutSummary(w.ctx, payload("slow", w, slow), "slow"), qrie.ErrFenced)
		got, err := w.s.Summary(w.ctx, "dashboard")
		w.ok(err)
		same(w, "summary", got, payload("quick", w, quick))
	}},
	{"a lock that ran out and that nobody took still counts", func(w *world) {
		fence, _ := w.lockSummary("slow")
		w.tick(time.Hour)
		w.ok(w.s.PutSummary(w.ctx, payload("late", w, fence), "slow"))
	}},
	{"a put without a lock is refused", func(w *world) {
		w.want(w.s.PutSummary(w.ctx, payload("x", w, 0), "a"), qrie.ErrFenced)
		w.want(w.s.PutSummary(w.ctx, payload("x", w, 1), "a"), qrie.ErrFenced)
	}},
	{"a summary of any size that is allowed", func(w *world) {
		noise := make([]byte, store.MaxSummaryBytes-2)
		for i := range noise {
			noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"[rand.IntN(64)] // hardly compresses
		}
		fence, _ := w.lockSummary("a")
		w.ok(w.s.PutSummary(w.ctx, payload(string(noise), w, fence), "a"))
		got, err := w.s.Summary(w.ctx, "dashboard")
		w.ok(err)
		same(w, "bytes", len(got.Payload), store.MaxSummaryBytes)
		fence, _ = w.lockSummary("a")
		if w.s.PutSummary(w.ctx, payload(string(noise)+"x", w, fence), "a") == nil {
			w.Error("one byte more was taken")
		}
	}},
	{"unlocking lets the next one in and keeps the entry", func(w *world) {
		fence, _ := w.lockSummary("a")
		w.ok(w.s.PutSummary(w.ctx, payload("kept", w, fence), "a"))
		fence, _ = w.lockSummary("a")
		w.ok(w.s.UnlockSummary(w.ctx, "dashboard", "a", fence))
		_, ok := w.lockSummary("b")
		same(w, "free", ok, true)
		got, err := w.s.Summary(w.ctx, "dashboard")
		w.ok(err)
		same(w, "entry", string(got.Payload), `"kept"`)
	}},
	{"of two refreshes of one owner the later counts", func(w *world) {
		first, _ := w.lockSummary("a")
		second, ok := w.lockSummary("a")
		same(w, "taken again", ok, true)
		w.ok(w.s.PutSummary(w.ctx, payload("second", w, second), "a"))
		w.want(w.s.PutSummary(w.ctx, payload("first", w, first), "a"), qrie.ErrFenced)
	}},
}
