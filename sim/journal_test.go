package sim_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie/sim"
)

// file is a journal as a file opened for appending is: reads begin at the
// start, writes go to the end.
type file struct {
	bytes.Reader
	text *bytes.Buffer
}

func reopen(text string) *file {
	f := &file{text: bytes.NewBufferString(text)}
	f.Reader.Reset([]byte(text))
	return f
}

func (f *file) Write(p []byte) (int, error) { return f.text.Write(p) }

// TestJournal: a world opened on the journal of another is as that one was
// left, and goes on as it would have gone on.
func TestJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := reopen("")
		o := sim.Options{Seed: 12, Accounts: 6, Resources: 200, Faults: sim.DemoFaults()}
		w, pending, err := sim.Open(f, o)
		if err != nil || len(pending) != 0 {
			t.Fatalf("%d events pending, %v", len(pending), err)
		}
		arrived := map[string]bool{}
		publish := func(_ context.Context, _ string, data []byte) error {
			arrived[string(data)] = true
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if err := w.Run(ctx, 60, publish); err != nil {
			t.Fatal(err)
		}
		for _, change := range w.Changes() {
			// Some are refused: that, too, has to come out the same again.
			if _, err := w.Change(context.Background(), change.ID, "", publish); err != nil {
				t.Log(err)
			}
		}
		left, findings := documents(t, w), w.Expect()

		time.Sleep(30 * time.Hour) // the process is gone meanwhile
		// Other sizes and another seed are of no effect.
		again, pending, err := sim.Open(reopen(f.text.String()), sim.Options{Seed: 99, Accounts: 3, Resources: 50, Faults: sim.DemoFaults()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(left, documents(t, again)); diff != "" {
			t.Errorf("documents (-left +again):\n%.3000s", diff)
		}
		if diff := cmp.Diff(findings, again.Expect()); diff != "" {
			t.Errorf("findings (-left +again):\n%s", diff)
		}
		if len(pending) == 0 {
			t.Error("nothing was under way at the end of ten busy minutes")
		}
		known := 0
		for _, d := range pending {
			if arrived[string(d.Data)] {
				known++
			}
		}
		if known == 0 {
			t.Error("none of the pending events is one that the first world sent")
		}
	})
}

// TestJournalTorn: what a power cut tore off was never done, and the journal
// goes on after it.
func TestJournalTorn(t *testing.T) {
	f := reopen("")
	o := sim.Options{Seed: 1, Accounts: 2, Resources: 60, Now: func() time.Time { return noon }}
	w, _, err := sim.Open(f, o)
	if err != nil {
		t.Fatal(err)
	}
	change := func(w *sim.World) {
		t.Helper()
		if _, err := w.Change(context.Background(), "bucket-create-bare", "", discard); err != nil {
			t.Fatal(err)
		}
	}
	change(w)
	once := f.text.String()
	change(w)
	for cut := len(once) + 1; cut < f.text.Len(); cut += 7 {
		torn := reopen(f.text.String()[:cut])
		w, _, err := sim.Open(torn, o)
		if err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
		change(w)
		again, _, err := sim.Open(reopen(torn.text.String()), o)
		if err != nil {
			t.Fatalf("cut at byte %d, opened again: %v", cut, err)
		}
		if diff := cmp.Diff(documents(t, w), documents(t, again)); diff != "" {
			t.Fatalf("cut at byte %d (-left +again):\n%.2000s", cut, diff)
		}
	}
}

func TestJournalRefused(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"something else", "hello\n", "does not begin as that of a simulated organisation"},
		{"another JSON", `{"seed":1}` + "\n", "does not begin as that of a simulated organisation"},
		{"a newer one", `{"simulated_organisation":99,"seed":1}` + "\n", "version 99"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			f := reopen(tc.text)
			_, _, err := sim.Open(f, sim.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if f.text.String() != tc.text {
				t.Error("a refused journal was written to")
			}
		})
	}
}

// full is a disk that is full once it has taken so many writes.
type full struct {
	file
	takes int
}

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if f.takes--; f.takes < 0 {
		return 0, errFull
	}
	return f.file.Write(p)
}

// TestJournalCannotBeWritten: an act that cannot be noted is not done.
func TestJournalCannotBeWritten(t *testing.T) {
	now := func() time.Time { return noon }
	if _, _, err := sim.Open(&full{file: *reopen("")}, sim.Options{Seed: 1, Resources: 60, Now: now}); !errors.Is(err, errFull) {
		t.Errorf("open: %v", err)
	}
	w, _, err := sim.Open(&full{file: *reopen(""), takes: 1}, sim.Options{Seed: 1, Resources: 60, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	before := documents(t, w)
	if _, err := w.Change(context.Background(), "group-open-ssh", "", discard); !errors.Is(err, errFull) {
		t.Errorf("change: %v", err)
	}
	if diff := cmp.Diff(before, documents(t, w)); diff != "" {
		t.Errorf("the change was made all the same:\n%.1000s", diff)
	}
	w, _, err = sim.Open(&full{file: *reopen(""), takes: 1}, sim.Options{Seed: 1, Resources: 60})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(context.Background(), 6000, discard); !errors.Is(err, errFull) {
		t.Errorf("run: %v", err)
	}
}
