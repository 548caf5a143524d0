package simulation

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var plant = flag.String("mutants", "", "plant the bugs whose names match, and count the seeds until each is found")

// mutant is a mistake that must not go unnoticed.
type mutant struct {
	name  string
	edits []edit
}

// edit replaces a text that is there exactly once.
type edit struct{ file, old, new string }

var mutants = []mutant{
	{"checkpoint before the effect", []edit{{"processor/lanes.go",
		"	l.run(ctx, j.mark)\n",
		"	for _, done := range j.waiting {\n		done()\n	}\n	l.run(ctx, j.mark)\n"}}},
	{"checkpoint before the marks of an event are published", []edit{{"processor/route.go",
		"	if len(out) > 0 && s.publish(out) != nil {\n",
		"	for _, seq := range done {\n		s.s.Done(seq)\n	}\n	if len(out) > 0 && s.publish(out) != nil {\n"}}},
	{"condition on observation time dropped", []edit{{"store/apply.go",
		"switch next.ObservedAt.Compare(stored.ObservedAt) {",
		"switch max(1, next.ObservedAt.Compare(stored.ObservedAt)) {"}}},
	{"tombstone ignored", []edit{{"store/apply.go",
		"		switch next.ObservedAt.Compare(stored.ObservedAt) {",
		"		if stored.Deleted && !next.Deleted {\n			return false, nil\n		}\n		switch next.ObservedAt.Compare(stored.ObservedAt) {"}}},
	{"generation fence dropped", []edit{{"store/apply.go",
		"	if t.Kind == qrie.Closed {\n		switch t.Resolution {\n",
		"	if t.Generation > 0 {\n		return nil\n	}\n	if t.Kind == qrie.Closed {\n		switch t.Resolution {\n"}}},
	{"coalescer loses the trailing mark", []edit{{"processor/lanes.go",
		"	l.held++\n	key := m.Ref.Key()\n	ln := l.lanes[key]\n",
		"	key := m.Ref.Key()\n	ln := l.lanes[key]\n	if ln != nil && ln.active {\n		done()\n		return true\n	}\n	l.held++\n"}}},
	{"breaker resolves findings", []edit{{"processor/refresh.go",
		"	if fault != nil {\n		return \"parked\", s.park(ctx, m, fault)\n	}\n",
		"	var not *stopped\n	if errors.As(fault, &not) {\n		obs, fault = qrie.Observation{Ref: m.Ref, ObservedAt: s.w.Now(), Deleted: true}, nil\n	}\n	if fault != nil {\n		return \"parked\", s.park(ctx, m, fault)\n	}\n"}}},
	{"duplicate transition id", []edit{{"finding.go",
		"shortHash(finding+\"|\"+itoa(version)+\"|\"+itoa(generation)+\"|\"+string(kind))",
		"shortHash(finding+\"|\"+itoa(generation)+\"|\"+string(kind))"}}},
	{"counter outside the transaction", []edit{
		{"store/memory/apply.go",
			"	return s.do(ctx, \"Apply \"+e.Next.Ref.Key(), func() error { return s.apply(e) })\n",
			"	var tally store.Tally\n	if err := s.do(ctx, \"Apply \"+e.Next.Ref.Key(), func() error { return s.apply(e, &tally) }); err != nil {\n		return err\n	}\n" +
				"	return s.do(ctx, \"Count \"+e.Next.Ref.Key(), func() error {\n		s.count(&tally)\n		tally = store.Tally{}\n		return nil\n	})\n"},
		{"store/memory/apply.go", "func (s *state) apply(e store.Evaluation) error {", "func (s *state) apply(e store.Evaluation, tally *store.Tally) error {"},
		{"store/memory/apply.go", "	var tally store.Tally\n	tally.Resource(", "	tally.Resource("},
		{"store/memory/apply.go", "		s.transit(id, t, &tally)\n	}\n	s.count(&tally)\n", "		s.transit(id, t, tally)\n	}\n"}}},
	{"fenced owner writes its checkpoint", []edit{{"stream/memory/log.go",
		"	if s.lease.owner != owner || s.lease.epoch != r.epoch {\n",
		"	if s.lease.owner == \"\" {\n"}}},
	{"waiting marks removed before they are published", []edit{
		{"processor/schedule.go", "	if err == nil && len(records) > 0 {\n		err = w.Stream.Publish(ctx, records)\n	}\n", ""},
		{"processor/schedule.go", "w.Store.DeleteDirty(ctx, due))\n}\n",
			"w.Store.DeleteDirty(ctx, due))\n	w.warn(ctx, \"publish of the waiting marks\", w.Stream.Publish(ctx, records))\n}\n"}}},
	{"a look that is put off is lost", []edit{{"processor/schedule.go",
		"			return w.Store.PutDirty(ctx, d)\n",
		"			return w.Store.DeleteDirty(ctx, []store.DirtyMark{d})\n"}}},
	{"waiting mark removed whatever its revision", []edit{{"store/memory/work.go",
		"if m, ok := s.dirty[id]; ok && m.Revision == read.Revision {",
		"if _, ok := s.dirty[id]; ok {"}}},
	{"no later look after an event", []edit{{"processor/park.go",
		"	for _, at := range ages {\n",
		"	for _, at := range ages[:0] {\n"}}},
	{"what AWS is still at work on is not followed", []edit{{"processor/park.go",
		"	if !unfinished(obs) {\n",
		"	if !unfinished(obs) || !unchanged || unchanged {\n"}}},
	{"a planned look is passed over", []edit{{"processor/record.go",
		"	t.Planned = !t.fromStream() || !o.fromStream()\n", ""}}},
	{"a sweep that looks at nothing", []edit{{"processor/scan.go",
		"	page, err := s.readAll(t, refs)\n	if err != nil {\n		return err\n	}\n	if found.Next",
		"	page := store.JobPage{Page: t.id()}\n	if found.Next"}}},
}

// Each bug can be planted in the source as it is.
func TestMutantsFit(t *testing.T) {
	for _, m := range mutants {
		if _, err := m.plant(".."); err != nil {
			t.Error(err)
		}
	}
}

// A bug that is planted is found within a bounded number of seeds. The test
// prints the table of docs/simulation.md.
func TestMutants(t *testing.T) {
	if *plant == "" {
		t.Skip("takes minutes: -mutants=. plants every bug")
	}
	names := regexp.MustCompile(*plant)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("| planted bug | where | found by seed |\n|---|---|---|")
	for _, m := range mutants {
		if !names.MatchString(m.name) {
			continue
		}
		seed, why := m.hunt(t, root)
		if seed == 0 {
			t.Errorf("%s: not found within %d seeds", m.name, *seeds)
			continue
		}
		fmt.Printf("| %s | `%s` | %d |\n", m.name, m.edits[0].file, seed)
		t.Logf("%s: %s", m.name, why)
	}
}

// plant gives the files with the bug in them.
func (m mutant) plant(root string) (bad map[string]string, err error) {
	bad = map[string]string{}
	for _, e := range m.edits {
		text, ok := bad[e.file]
		if !ok {
			data, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(data)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s: %s has the text %d times, and must have it once:\n%s", m.name, e.file, n, e.old)
		}
		bad[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return bad, nil
}

// hunt plants a bug and runs seeds until one fails; 0 if none does.
func (m mutant) hunt(t *testing.T, root string) (seed int, why string) {
	dir := t.TempDir()
	bad, err := m.plant(root)
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range bad {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, file)] = path
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	path, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulation.test")
	if err := os.WriteFile(path, list, 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", path, "-o", program, "./simulation")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: build: %v\n%s", m.name, err, out)
	}
	run := exec.CommandContext(t.Context(), program, "-test.run=TestSeeds$", "-test.timeout=0", "-stop", fmt.Sprint("-seeds=", *seeds), fmt.Sprint("-first=", *first))
	run.Dir = filepath.Join(root, "simulation")
	out, err := run.CombinedOutput()
	if err == nil {
		return 0, ""
	}
	found := regexp.MustCompile(`seed (\d+): \d+ things are wrong, the first:\s*(.{0,200})`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("%s: %v\n%.4000s", m.name, err, out)
	}
	_, _ = fmt.Sscan(string(found[1]), &seed)
	return seed, string(found[2])
}
