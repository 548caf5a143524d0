package sim_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/sim"
)

// has reports whether the oracle expects the finding.
func has(w *sim.World, finding string) bool {
	return slices.ContainsFunc(w.Expect(), func(e sim.Expected) bool { return e.Ref.FindingID(e.Policy) == finding })
}

// TestChanges makes every change of the catalogue: a bad one opens the finding
// that it names, the one that mends it resolves it, and the events mark the
// resource and name the actor.
func TestChanges(t *testing.T) {
	decoder := ingest.NewDecoder(resources.All())
	for _, change := range (&sim.World{}).Changes() {
		if !change.Bad {
			continue
		}
		t.Run(change.ID, func(t *testing.T) {
			w, c := newWorld(sim.Options{Seed: 21, Faults: sim.DemoFaults()})
			opened := makeChange(t, w, decoder, change.ID, "")
			if !has(w, opened.FindingID) {
				t.Fatalf("%s on %s opens no finding of %s", change.ID, opened.ARN, change.Policy)
			}
			if change.Undo == "" {
				return
			}
			c.step(time.Minute)
			closed := makeChange(t, w, decoder, change.Undo, opened.ARN)
			if has(w, opened.FindingID) {
				t.Errorf("%s leaves the finding of %s open", change.Undo, change.ID)
			}
			if closed.Ref.Key() != opened.Ref.Key() {
				t.Errorf("mended %s, want %s", closed.Ref, opened.Ref)
			}
			_, err := w.Change(context.Background(), change.Undo, opened.ARN, discard)
			if !errors.Is(err, qrie.ErrConflict) && !errors.Is(err, qrie.ErrNotFound) {
				t.Errorf("mending what is well: %v, want a conflict", err)
			}
		})
	}
}

func makeChange(t *testing.T, w *sim.World, decoder *ingest.Decoder, id, arn string) sim.Applied {
	t.Helper()
	var published []sim.Delivery
	applied, err := w.Change(context.Background(), id, arn, func(_ context.Context, account string, data []byte) error {
		published = append(published, sim.Delivery{Account: account, Data: data})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	marked, named := false, false
	for _, d := range decodeAll(t, decoder, published) {
		for _, m := range d.Marks {
			marked = marked || m.Ref.Key() == applied.Ref.Key()
		}
		if d.Event.ID == applied.EventID && d.Event.Name == applied.EventName {
			named = true
		}
		if d.Event.Actor.Name != applied.Actor {
			t.Errorf("%s by %q, want %q", d.Event.Name, d.Event.Actor.Name, applied.Actor)
		}
		if k := d.Event.Actor.Kind; k != qrie.ActorHuman && k != qrie.ActorRoot {
			t.Errorf("%s by an actor of kind %s", d.Event.Name, k)
		}
	}
	if !marked || !named {
		t.Errorf("%s on %s: marked %t, event named %t", id, applied.ARN, marked, named)
	}
	if applied.ResourceID != applied.Ref.ResourceID() || applied.ARN == "" || arn != "" && applied.ARN != arn {
		t.Errorf("applied %+v, asked for %q", applied, arn)
	}
	if applied.Actor != sim.DemoActor && applied.Actor != "root" {
		t.Errorf("actor %q", applied.Actor)
	}
	return applied
}

// TestEasiestChanges: where the world may choose, the changes that a demo
// shows first take one call, so that their cause is exact.
func TestEasiestChanges(t *testing.T) {
	for _, id := range []string{"bucket-public", "bucket-unblock", "group-open-ssh", "user-password", "policy-admin", "database-public", "instance-launch-unencrypted", "root-key"} {
		w, _ := newWorld(sim.Options{Seed: 6})
		calls := 0
		if _, err := w.Change(context.Background(), id, "", func(context.Context, string, []byte) error { calls++; return nil }); err != nil {
			t.Fatal(err)
		}
		if calls != 1 {
			t.Errorf("%s takes %d calls", id, calls)
		}
	}
}

func TestChangeRefused(t *testing.T) {
	w, _ := newWorld(sim.Options{Seed: 6})
	var open, closed string
	for _, ref := range everyRef(t, w) {
		if ref.Type != "AWS::EC2::SecurityGroup" {
			continue
		}
		if has(w, ref.FindingID("EC2SecurityGroupOpenToWorld")) {
			open = ref.ARN
		} else {
			closed = ref.ARN
		}
	}
	lost := errors.New("the stream is full")
	cases := []struct {
		name, change, arn string
		publish           sim.Publish
		want              error
		text              string
	}{
		{"unknown change", "make-coffee", "", discard, qrie.ErrNotFound, "make-coffee"},
		{"a change nobody may ask for", "bucket-tag", "", discard, qrie.ErrNotFound, "bucket-tag"},
		{"unknown resource", "group-open-ssh", "arn:aws:ec2:us-east-1:1:security-group/sg-0", discard, qrie.ErrNotFound, "sg-0"},
		{"open already", "group-open-ssh", open, discard, qrie.ErrConflict, "open to the world already"},
		{"not open", "group-close", closed, discard, qrie.ErrConflict, "not open"},
		{"an ARN for something new", "instance-launch-unencrypted", open, discard, qrie.ErrConflict, "leave the ARN out"},
		{"publish fails", "group-open-ssh", closed, func(context.Context, string, []byte) error { return lost }, lost, "was made"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := w.Change(context.Background(), tc.change, tc.arn, tc.publish)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %v and %q", err, tc.want, tc.text)
			}
		})
	}
}

func TestChangeCatalogue(t *testing.T) {
	changes := (&sim.World{}).Changes()
	ids := map[string]bool{}
	for _, c := range changes {
		if ids[c.ID] {
			t.Errorf("change %s is listed twice", c.ID)
		}
		ids[c.ID] = true
		if _, ok := resources.Find(c.ResourceType); !ok || c.Title == "" || c.Policy == "" {
			t.Errorf("change %+v says too little", c)
		}
	}
	for _, c := range changes {
		if c.Undo != "" && !ids[c.Undo] {
			t.Errorf("%s is mended by %s, which nobody may ask for", c.ID, c.Undo)
		}
	}
}
