//go:build !noaws

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The product in the processes that a larger site has: two workers and the API,
// which share a stream on Kinesis and a store. One worker is killed, and the
// other goes on; the last one is told to stop and gives up its shards.
func TestRolesShareStreamAndStore(t *testing.T) {
	at := append(onDiskSite(t), kinesisFlags(t)...)
	buckets, accounts := openAccount(t)

	api := launch(t, slices.Concat([]string{"query", "--listen", "127.0.0.1:0"}, at)...)
	api.login()
	worker := func(args ...string) *process {
		t.Helper()
		p := launchUntil(t, "health      ", slices.Concat([]string{"processor", "--listen", "127.0.0.1:0", "--log-level", "info"}, at, args)...)
		p.base = strings.TrimSuffix(p.base, "/readyz")
		return p
	}
	first, second := worker("--accounts", accounts), worker()
	held := func(p *process) (n int) {
		t.Helper()
		var text string
		p.do("GET", "/metrics", nil, &text)
		for _, line := range strings.Split(text, "\n") {
			if rest, ok := strings.CutPrefix(line, "qrie_lease_owned{"); ok {
				n = int(rest[len(rest)-1] - '0')
			}
		}
		return n
	}
	eventually(t, time.Minute, "each worker has half of the shards", func() bool { return held(first) == 2 && held(second) == 2 })
	for _, p := range []*process{api, first, second} {
		var health struct{ Status string }
		if status := p.do("GET", "/readyz", nil, &health); status != 200 || health.Status != "ok" {
			t.Errorf("readyz: %d, %+v", status, health)
		}
	}
	if status := first.do("GET", "/api/v1/findings", nil, nil); status != 404 {
		t.Errorf("a worker answers for findings: status %d", status)
	}

	first.kill()
	mendedBucketResolvesItsFinding(t, api, at, buckets)
	eventually(t, 30*time.Second, "the other worker has every shard", func() bool { return held(second) == 4 })
	doctor := func(args ...string) (int, string) {
		t.Helper()
		code, out, errOut := call(t, "", slices.Concat([]string{"doctor", "--roles"}, at, args)...)
		return code, out + errOut
	}
	if code, said := doctor("--probe"); code != 0 || !strings.Contains(said, "ok    probe: a worker took it") ||
		!strings.Contains(said, "ok    account "+emulatedAccount) || !strings.Contains(said, "ok    workers: 1 read 4 shards") {
		t.Errorf("doctor: exit %d\n%s", code, said)
	}
	second.stop()
	if code, said := doctor(); code != 1 || !strings.Contains(said, "fail  workers: nobody reads 4 of 4 shards") {
		t.Errorf("doctor without a worker: exit %d\n%s", code, said)
	}
	api.stop()
}
