package processor

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qrie-sec/qrie"
)

func testBreakers() *breakers {
	return newBreakers(time.Now, func(time.Duration) time.Duration { return 0 })
}

var (
	unreached = &qrie.Fault{Kind: qrie.Unreached, Action: "sts:AssumeRole"}
	denied    = &qrie.Fault{Kind: qrie.Denied, Action: "ec2:DescribeVolumes"}
)

func TestBreakerOfAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, volume := testBreakers(), ref("1", "a")
		bucket := qrie.Ref{Account: "1", Type: "AWS::S3::Bucket", ID: "b"}
		for i := range unreachedLimit {
			if wait, _ := b.ask(volume); wait != 0 {
				t.Fatalf("open after %d failures", i)
			}
			changed := b.tell(volume, unreached)
			if opened := len(changed) == 1; opened != (i == unreachedLimit-1) {
				t.Fatalf("failure %d changed %+v", i+1, changed)
			}
		}
		if wait, why := b.ask(bucket); wait != leastOpen || why == nil || why.Action != "sts:AssumeRole" {
			t.Errorf("another service of the account: wait %s because of %v", wait, why)
		}
		if wait, _ := b.ask(ref("2", "a")); wait != 0 {
			t.Errorf("another account waits %s", wait)
		}
		// One tries when the time has come; it fails, and the pause doubles.
		for _, pause := range []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
			wait, _ := b.ask(volume)
			time.Sleep(wait)
			if wait, _ := b.ask(volume); wait != 0 {
				t.Fatalf("nobody may try, but in %s", wait)
			}
			if _, why := b.ask(bucket); why == nil {
				t.Error("two try at once")
			}
			if changed := b.tell(volume, unreached); len(changed) != 0 {
				t.Errorf("it changed: %+v", changed)
			}
			if wait, _ := b.ask(volume); wait != pause {
				t.Errorf("the next try in %s, want %s", wait, pause)
			}
		}
		wait, _ := b.ask(volume)
		time.Sleep(wait)
		b.ask(volume)
		if changed := b.tell(volume, nil); len(changed) != 1 || changed[0].fault != nil || changed[0].account != "1" || changed[0].resourceType != "" {
			t.Errorf("a call that worked changed %+v", changed)
		}
		if wait, _ := b.ask(bucket); wait != 0 {
			t.Errorf("closed, and one waits %s", wait)
		}
		b.tell(volume, unreached)
		if wait, _ := b.ask(volume); wait != 0 {
			t.Error("one failure later it is open again")
		}
	})
}

// One permission that lacks stops the type it is of, and neither the account
// nor another type; and some resources that nobody may read stop nothing.
func TestBreakerOfAType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreakers()
		for range 50 {
			b.tell(ref("1", "locked"), denied)
		}
		if wait, _ := b.ask(ref("1", "other")); wait != 0 {
			t.Error("one resource that is denied again and again has stopped the others")
		}
		for i := range deniedLimit {
			b.tell(ref("1", fmt.Sprint(i)), denied)
			if i == deniedLimit/2 {
				b.tell(ref("1", "readable"), nil)
			}
		}
		if wait, _ := b.ask(ref("1", "other")); wait != 0 {
			t.Error("open, though one could be read in between")
		}
		for i := range deniedLimit {
			b.tell(ref("1", fmt.Sprint("more", i)), denied)
		}
		if wait, why := b.ask(ref("1", "other")); wait != leastOpen || why == nil || why.Action != "ec2:DescribeVolumes" {
			t.Errorf("wait %s because of %v", wait, why)
		}
		if wait, _ := b.ask(qrie.Ref{Account: "1", Type: "AWS::EC2::Instance", ID: "i"}); wait != 0 {
			t.Error("another type waits")
		}
		if accounts, types := b.open(); accounts != 0 || types != 1 {
			t.Errorf("%d accounts and %d types are stopped", accounts, types)
		}
	})
}

// Whoever was to try has gone, with its session. Another tries after a while.
func TestBreakerTryThatWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreakers()
		for range unreachedLimit {
			b.tell(ref("1", "a"), unreached)
		}
		time.Sleep(leastOpen)
		if wait, _ := b.ask(ref("1", "a")); wait != 0 {
			t.Fatal("nobody may try")
		}
		time.Sleep(leastOpen + time.Second)
		if wait, _ := b.ask(ref("1", "a")); wait != 0 {
			t.Errorf("nobody may try after the first has gone, for %s", wait)
		}
	})
}

func TestBreakerIgnoresThrottlesAndTheNetwork(t *testing.T) {
	b := testBreakers()
	for range 100 {
		b.tell(ref("1", "a"), &qrie.Fault{Kind: qrie.Throttled})
		b.tell(ref("1", "a"), &qrie.Fault{Kind: qrie.Transient})
	}
	if wait, _ := b.ask(ref("1", "a")); wait != 0 {
		t.Error("open")
	}
}
