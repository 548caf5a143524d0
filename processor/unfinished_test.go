package processor

import (
	"fmt"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

func database(name string) qrie.Ref {
	typ, _ := resources.Find("AWS::RDS::DBInstance")
	return typ.Ref(shop, "eu-west-1", name)
}

func databaseDocument(status string, public bool) string {
	return fmt.Sprintf(`{"DBInstance":{"DBInstanceIdentifier":"orders","DBInstanceStatus":%q,"PubliclyAccessible":%v}}`, status, public)
}

// publicDatabase is one that is known, and in reach of the internet.
func (r *rig) publicDatabase() qrie.Ref {
	r.Helper()
	orders := database("orders")
	r.known(orders, databaseDocument("available", true))
	return orders
}

// asks publishes the event of a call on a database, whose status is to be seen
// when it comes.
func (r *rig) asks(ref qrie.Ref, call, document string) (event string) {
	r.Helper()
	r.aws.put(ref, document)
	return r.called(ref, "rds.amazonaws.com", call, fmt.Sprintf(`{"dBInstanceIdentifier":%q}`, ref.ID), time.Now(), 1)
}

// causes are the events that a finding names, newest first.
func causes(f qrie.Finding) string {
	c := f.Cause
	if f.ResolvedCause != nil {
		c = *f.ResolvedCause
	}
	out := string(c.Attribution)
	for _, e := range c.Events {
		out += " " + e.ID
	}
	return out
}

// AWS deletes a database for minutes, and no event tells the end.
func TestDeletionThatTakesLong(t *testing.T) {
	bubbled(t, func(r *rig) {
		orders := r.publicDatabase()
		event := r.asks(orders, "DeleteDBInstance", databaseDocument("deleting", true))
		time.Sleep(8 * time.Minute)
		if f := r.finding(orders, publicAccess); f.State != qrie.Active {
			t.Errorf("the finding is %s while the database is there", f.State)
		}
		r.aws.remove(orders)
		time.Sleep(4 * time.Minute)
		f := r.finding(orders, publicAccess)
		if f.State != qrie.Resolved || f.Resolution != qrie.ResolvedDeleted || causes(f) != "exact "+event {
			t.Errorf("the finding is %s, %s by %q, want resolved because it was deleted by %s", f.State, f.Resolution, causes(f), event)
		}
	})
}

// A finding is resolved when AWS has done what somebody asked for, and names who
// asked.
func TestChangeThatTakesLong(t *testing.T) {
	bubbled(t, func(r *rig) {
		orders := r.publicDatabase()
		event := r.asks(orders, "ModifyDBInstance", databaseDocument("modifying", true))
		time.Sleep(12 * time.Minute)
		r.aws.put(orders, databaseDocument("available", false))
		time.Sleep(5 * time.Minute)
		if f := r.finding(orders, publicAccess); f.State != qrie.Resolved || causes(f) != "exact "+event {
			t.Errorf("the finding is %s by %q, want resolved by %s", f.State, causes(f), event)
		}
		time.Sleep(5 * time.Minute)
		before := r.reads(orders)
		time.Sleep(6 * time.Hour)
		if after := r.reads(orders); after != before {
			t.Errorf("%d more reads of what is finished", after-before)
		}
	})
}

// What is asked for meanwhile may be behind the end as well.
func TestChangeBesideAnother(t *testing.T) {
	bubbled(t, func(r *rig) {
		orders := r.publicDatabase()
		first := r.asks(orders, "ModifyDBInstance", databaseDocument("modifying", true))
		time.Sleep(10 * time.Minute)
		second := r.asks(orders, "ModifyDBInstance", databaseDocument("available", false))
		time.Sleep(5 * time.Minute)
		if f := r.finding(orders, publicAccess); f.State != qrie.Resolved || causes(f) != "ambiguous "+second+" "+first {
			t.Errorf("the finding is %s by %q, want resolved by %s or %s", f.State, causes(f), second, first)
		}
	})
}

// A scan that comes upon something unfinished has it followed. It missed no event.
func TestScanFindsWorkUnderWay(t *testing.T) {
	bubbled(t, func(r *rig) {
		orders := database("orders")
		r.aws.put(orders, databaseDocument("creating", false))
		r.scan()
		time.Sleep(6 * time.Minute)
		r.aws.put(orders, databaseDocument("available", true))
		time.Sleep(3 * time.Minute)
		if f := r.finding(orders, publicAccess); f.State != qrie.Active || causes(f) != "unknown" {
			t.Errorf("the finding is %q by %q, want active by nobody known", f.State, causes(f))
		}
		if drift := r.counted("qrie_drift_found_by_scan_total", "rds"); drift != 0 {
			t.Errorf("%v changes count as missed", drift)
		}
	})
}

// What never ends costs few reads.
func TestWorkWithoutEnd(t *testing.T) {
	bubbled(t, func(r *rig) {
		orders := r.publicDatabase()
		before := r.reads(orders)
		r.asks(orders, "DeleteDBInstance", databaseDocument("deleting", true))
		time.Sleep(24 * time.Hour)
		if n := r.reads(orders) - before; n < 24*4 || n > 24*4+20 {
			t.Errorf("%d reads in a day, want one in a quarter of an hour and some at first", n)
		}
	})
}

func (r *rig) reads(ref qrie.Ref) int {
	r.aws.mu.Lock()
	defer r.aws.mu.Unlock()
	return r.aws.reads[ref.ID]
}
