package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/sim"
)

// decodeAll decodes deliveries as the processor does.
func decodeAll(t testing.TB, d *ingest.Decoder, deliveries []sim.Delivery) []ingest.Decoded {
	t.Helper()
	var out []ingest.Decoded
	for _, delivery := range deliveries {
		raws, err := ingest.Split(delivery.Data)
		if err != nil {
			t.Fatalf("split: %v\n%s", err, delivery.Data)
		}
		for _, raw := range raws {
			decoded, err := d.Decode(raw)
			if err != nil {
				t.Fatalf("decode: %v\n%s", err, delivery.Data)
			}
			if decoded.Event.Account != delivery.Account {
				t.Fatalf("delivered for account %s, decoded as of %s", delivery.Account, decoded.Event.Account)
			}
			out = append(out, decoded)
		}
	}
	return out
}

// documents is every document of a world by the key of its resource.
func documents(t testing.TB, w *sim.World) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, ref := range everyRef(t, w) {
		o, ok := w.Truth(ref)
		if !ok {
			t.Fatalf("%s is listed and does not exist", ref)
		}
		out[ref.Key()] = string(o.Document)
	}
	return out
}

// TestEveryChangeIsTold compares the whole world before and after each step:
// whatever became different must be marked by an event of the step.
func TestEveryChangeIsTold(t *testing.T) {
	decoder := ingest.NewDecoder(resources.All())
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w, c := newWorld(sim.Options{Seed: seed, Accounts: 4, Resources: 120})
			before := documents(t, w)
			changes := 0
			for n := range 600 {
				decoded := decodeAll(t, decoder, w.Step(c.step(time.Minute)))
				after := documents(t, w)
				marked := marksOf(decoded)
				for _, key := range changedKeys(before, after) {
					changes++
					if !marked.covers(key) && !marked.excused(key, after[key]) {
						t.Fatalf("step %d: %s changed, and no event of %v marks it (-before +after):\n%s", n, key, names(decoded), cmp.Diff(before[key], after[key]))
					}
				}
				before = after
			}
			if changes < 300 {
				t.Errorf("600 steps made %d changes: too few to mean anything", changes)
			}
		})
	}
}

type marks struct {
	keys map[string]bool
	// launches: the step started or ended an instance.
	launches bool
	// tagged are the ids of volumes whose tags were changed.
	tagged []string
}

func marksOf(decoded []ingest.Decoded) marks {
	m := marks{keys: map[string]bool{}}
	for _, d := range decoded {
		m.launches = m.launches || d.Event.Name == "RunInstances" || d.Event.Name == "TerminateInstances"
		for _, mark := range d.Marks {
			m.keys[mark.Ref.Key()] = true
			if mark.Ref.Type == "AWS::EC2::Volume" && d.Event.Name == "CreateTags" {
				m.tagged = append(m.tagged, mark.Ref.ID)
			}
		}
	}
	return m
}

func (m marks) covers(key string) bool {
	if m.keys[key] {
		return true
	}
	// A wide mark is the key without an id.
	return m.keys[key[:strings.LastIndexByte(key, '|')+1]]
}

// excused are the two changes that AWS has no event for: the volumes that come
// and go with an instance, and the tags of a volume in the document of the
// instance that has it.
func (m marks) excused(key, document string) bool {
	if strings.Contains(key, "|AWS::EC2::Volume|") {
		return m.launches
	}
	return strings.Contains(key, "|AWS::EC2::Instance|") &&
		slices.ContainsFunc(m.tagged, func(id string) bool { return strings.Contains(document, id) })
}

func changedKeys(before, after map[string]string) []string {
	var out []string
	for key, document := range after {
		if before[key] != document {
			out = append(out, key)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			out = append(out, key)
		}
	}
	return out
}

func names(decoded []ingest.Decoded) []string {
	var out []string
	for _, d := range decoded {
		out = append(out, d.Event.Name)
	}
	return out
}

// TestNoise: a long run holds every reason for which events are dropped, and
// what marks is of resources that exist or did.
func TestNoise(t *testing.T) {
	decoder := ingest.NewDecoder(resources.All())
	w, c := newWorld(sim.Options{Seed: 5, Resources: 300})
	ours := map[string]bool{}
	for _, a := range w.Accounts() {
		ours[a.ID] = true
	}
	drops, strangers := map[ingest.DropReason]int{}, 0
	for range 3000 {
		for _, d := range decodeAll(t, decoder, w.Step(c.step(time.Second))) {
			switch {
			case d.Drop != "":
				drops[d.Drop]++
			case !ours[d.Event.Account]:
				strangers++
			}
		}
	}
	for _, reason := range []ingest.DropReason{ingest.DropFailedCall, ingest.DropReadOnly, ingest.DropUnsupportedService, ingest.DropUnknownEvent} {
		if drops[reason] == 0 {
			t.Errorf("no event of 3,000 steps is dropped for %s", reason)
		}
	}
	if strangers == 0 {
		t.Error("no event of 3,000 steps is of an account that is not watched")
	}
}

// TestActors: people, pipelines, services and root all act, by the tools that
// such actors use, and ingest tells them apart.
func TestActors(t *testing.T) {
	decoder := ingest.NewDecoder(resources.All())
	w, c := newWorld(sim.Options{Seed: 7})
	kinds, tools, vias := map[qrie.ActorKind]int{}, map[string]int{}, map[string]int{}
	for range 3000 {
		for _, d := range decodeAll(t, decoder, w.Step(c.step(time.Second))) {
			if len(d.Marks) == 0 {
				continue
			}
			a := d.Event.Actor
			kinds[a.Kind]++
			tools[a.Tool]++
			vias[a.Via]++
			if a.Name == "" || a.Name == "unknown" || a.ARN == "" {
				t.Fatalf("%s by nobody: %+v", d.Event.Name, a)
			}
			if d.Event.SourceIP == "" || d.Event.UserAgent == "" {
				t.Fatalf("%s from nowhere: %+v", d.Event.Name, d.Event)
			}
		}
	}
	for _, kind := range []qrie.ActorKind{qrie.ActorHuman, qrie.ActorPipeline, qrie.ActorService, qrie.ActorRoot} {
		if kinds[kind] == 0 {
			t.Errorf("no actor is %s: %v", kind, kinds)
		}
	}
	for _, tool := range []string{"console", "CLI", "Terraform", "CloudFormation", "SDK", "AWS service"} {
		if tools[tool] == 0 {
			t.Errorf("nobody uses %s: %v", tool, tools)
		}
	}
	for _, via := range []string{"SSO", "OIDC", "cloudformation.amazonaws.com"} {
		if vias[via] == 0 {
			t.Errorf("nobody comes by %s: %v", via, vias)
		}
	}
}
