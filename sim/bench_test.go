package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sim"
)

func BenchmarkDescribe(b *testing.B) {
	w := sim.New(sim.Options{Seed: 1, Accounts: 20, Resources: 20_000})
	refs := everyRef(b, w)
	byType := map[string][]qrie.Ref{}
	for _, r := range refs {
		byType[r.Type] = append(byType[r.Type], r)
	}
	byType["all"] = refs
	for _, name := range []string{"all", "AWS::EC2::Instance", "AWS::S3::Bucket", "AWS::EC2::SecurityGroup"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			of := byType[name]
			for i := 0; b.Loop(); i++ {
				if _, err := w.Describe(context.Background(), of[i%len(of)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStep(b *testing.B) {
	w := sim.New(sim.Options{Seed: 1, Accounts: 20, Resources: 20_000})
	now := time.Now()
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		now = now.Add(time.Second)
		events += len(w.Step(now))
	}
	b.ReportMetric(float64(events)/float64(b.N), "events/op")
}

func BenchmarkLoad(b *testing.B) {
	w := sim.New(sim.Options{Seed: 1, Accounts: 20, Resources: 20_000})
	b.ReportAllocs()
	bytes := 0
	for b.Loop() {
		for _, d := range w.Load(1000) {
			bytes += len(d.Data)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(bytes)/float64(b.N)/1000, "B/event")
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sim.New(sim.Options{Seed: 1, Accounts: 100, Resources: 200_000})
	}
}

func BenchmarkExpect(b *testing.B) {
	w := sim.New(sim.Options{Seed: 1, Accounts: 20, Resources: 20_000})
	for b.Loop() {
		w.Expect()
	}
}
