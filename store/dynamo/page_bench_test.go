package dynamo

import (
	"context"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/store/storetest"
)

// BenchmarkPage reads pages and counters; QRIE_BENCH_LARGE at a million findings
// too, for which the server needs a heap of some gigabytes.
func BenchmarkPage(b *testing.B) {
	storetest.BenchmarkReads(b, func(b *testing.B, findings int) store.Store {
		s := open(b, options(b, b.TempDir()))
		fill(b, s, findings)
		return s
	})
}

// BenchmarkRecount tells what a recount reads: units for a thousand findings and
// the resources that they are on, and those that each account costs by itself.
func BenchmarkRecount(b *testing.B) {
	const findings = 20_000
	s := open(b, options(b, b.TempDir()))
	fill(b, s, findings)
	// The population says nothing of the transitions that led to it.
	if _, err := s.Recount(b.Context()); err != nil {
		b.Fatal(err)
	}
	before := readUnits(b, s)
	for b.Loop() {
		drift, err := s.Recount(b.Context())
		if err != nil || len(drift) > 0 {
			b.Fatalf("%d counters drifted, %v", len(drift), err)
		}
	}
	b.ReportMetric((readUnits(b, s)-before)/float64(b.N)/(findings/1000), "read-units/1000-findings")
}

// loader writes rows of one table, some requests at once.
type loader struct {
	s     *Store
	ctx   context.Context
	group *errgroup.Group
	table tableID
	rows  []item
}

func (l *loader) add(row item) {
	if l.rows = append(l.rows, row); len(l.rows) == 10*maxBatchWrite {
		l.flush()
	}
}

func (l *loader) flush() {
	rows := l.rows
	l.rows = nil
	l.group.Go(func() error { return l.s.writeAll(l.ctx, l.table, rows, nil) })
}

// fill writes findings and their resources past Apply: no history, and counters
// as if the log had been added to them.
func fill(b *testing.B, s *Store, findings int) {
	b.Helper()
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(2)
	resources, rows := &loader{s, ctx, group, resourcesTable, nil}, &loader{s, ctx, group, findingsTable, nil}
	counts, err := storetest.Populate(findings, func(r store.Resource, of []qrie.Finding) error {
		known := []name{{typeName, r.Ref.Type}, {accountName, r.Ref.Account}}
		next := stored{Resource: r}
		for _, f := range of {
			known = append(known, kindOf(f.Policy, f.Ref.Type))
			next.known = append(next.known, f.Policy)
			row, err := s.findingRow(f, 1, 1)
			if err != nil {
				return err
			}
			rows.add(row)
		}
		row, err := s.resourceRow(next)
		if err != nil {
			return err
		}
		resources.add(row)
		if err := s.know(ctx, known...); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err != nil {
		b.Fatal(err)
	}
	resources.flush()
	rows.flush()
	counters := map[key]item{}
	for _, d := range counts {
		// Of verdicts the policy names the type: each has one.
		c := cellOf(d.Counter, d.Name)
		row := counters[c.row]
		if row == nil {
			row = s.row(countersTable, c.row.pk, c.row.sk)
			counters[c.row] = row
		}
		row[c.attribute] = number(d.N)
		if !d.At.IsZero() {
			row[lastPrefix+c.attribute] = number(nanos(d.At))
		}
	}
	l := &loader{s, ctx, group, countersTable, nil}
	for _, row := range counters {
		l.add(row)
	}
	l.flush()
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}
