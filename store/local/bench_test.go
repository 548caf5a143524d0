package local

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

var benchPolicies = []string{"S3BucketPublic", "S3BucketPublicAccessBlockDisabled", "S3BucketVersioningDisabled", "S3BucketEncryptionDisabled", "S3BucketMfaDeleteDisabled"}

// benchDocument is of the size and shape of a bucket's.
func benchDocument(n int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"Location":{"LocationConstraint":"eu-west-1"},"PublicAccessBlock":{"BlockPublicAcls":true,"IgnorePublicAcls":true,"BlockPublicPolicy":true,"RestrictPublicBuckets":true},
"AccountPublicAccessBlock":{"BlockPublicAcls":true,"IgnorePublicAcls":true,"BlockPublicPolicy":true,"RestrictPublicBuckets":true},"PolicyStatus":{"IsPublic":false},
"Policy":{"Version":"2012-10-17","Statement":[{"Sid":"S%[1]d","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app-%[1]d"},"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket-%[1]d/*"}]},
"Acl":{"Owner":{"ID":"75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"},"Grants":[{"Grantee":{"Type":"CanonicalUser","ID":"75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"},"Permission":"FULL_CONTROL"}]},
"OwnershipControls":{"Rules":[{"ObjectOwnership":"BucketOwnerEnforced"}]},"Versioning":{"Status":"Enabled"},"Encryption":{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BucketKeyEnabled":true}]},
"Logging":{"TargetBucket":"logs-%[1]d","TargetPrefix":"s3/"},"Tags":[{"Key":"team","Value":"team-%[1]d"},{"Key":"env","Value":"prod"}]}`, n))
}

func benchCause(n int, at time.Time) qrie.Cause {
	return qrie.Cause{Attribution: qrie.AttributionExact, Before: at, Events: []qrie.Event{{ID: fmt.Sprintf("0f5b3f0e-1c1b-4c7e-9a5f-%012d", n), Name: "PutBucketPolicy",
		Source: "s3.amazonaws.com", Account: "111122223333", Region: "eu-west-1", Time: at, Arrived: at, SourceIP: "192.0.2.17", UserAgent: "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12]",
		Actor: qrie.Actor{Kind: qrie.ActorHuman, Name: "mira.lindqvist", Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin/mira.lindqvist",
			Account: "111122223333", Role: "AWSReservedSSO_Admin", Via: "SSO", Tool: "console"}}}}
}

// benchEvaluation is one look at resource n: step counts its looks from 1.
func benchEvaluation(n, step int, base int64, changed bool, failing int, flip bool, generations map[string]int64) store.Evaluation {
	at := time.Date(2026, 1, 1, 0, 0, step, n, time.UTC)
	ref := qrie.Ref{Account: fmt.Sprintf("1111222233%02d", n%50), Region: "eu-west-1", Type: "AWS::S3::Bucket", ID: fmt.Sprintf("bucket-%d", n), ARN: fmt.Sprintf("arn:aws:s3:::bucket-%d", n), Global: true}
	cause := benchCause(n, at)
	e := store.Evaluation{Base: base, Changed: changed, Next: store.Resource{Ref: ref, Name: ref.ID, Tags: map[string]string{"team": fmt.Sprint("team-", n), "env": "prod"},
		ObservedAt: at, ListedAt: at, ChangedAt: at, FirstSeen: at, Hash: fmt.Sprintf("%024d", n), Heads: map[string]store.Head{}, Generation: 5, Cause: cause}}
	if changed {
		e.Next.Hash = fmt.Sprintf("%020d%04d", n, step)
		e.Next.Document = benchDocument(n + step)
	}
	for i, p := range benchPolicies {
		h := store.Head{Outcome: qrie.Pass, Severity: 70, Generation: generations[p]}
		if i < failing {
			h = store.Head{Outcome: qrie.Fail, Severity: qrie.Severity(60 + i*10), Open: true, Hash: "0123456789abcdef", Openings: 1, Generation: generations[p]}
		}
		if flip && i < 1 {
			id := ref.FindingID(p)
			t := qrie.Transition{Kind: qrie.Closed, Finding: id, Ref: ref, Name: ref.ID, Policy: p, Severity: 90, Resolution: qrie.ResolvedFixed, Cause: cause, At: at, Generation: h.Generation, Version: base + 1}
			if h.Open {
				t.Kind, t.Severity, t.Resolution = qrie.Opened, h.Severity, ""
				t.Summary = "anyone on the internet can read the objects of this bucket"
				t.Evidence = qrie.Evidence{Violations: []json.RawMessage{json.RawMessage(`{"sid":"S1","principal":"*","actions":["s3:GetObject"],"resource":"arn:aws:s3:::bucket/*"}`)}, Pointers: []string{"/Policy/Statement/0"}, Total: 1}
			}
			t.ID = qrie.TransitionID(id, t.Version, t.Generation, t.Kind)
			e.Transitions = append(e.Transitions, t)
		}
		e.Next.Heads[p] = h
	}
	return e
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkApply writes evaluations from 64 goroutines, as a busy worker does,
// over 20,000 resources. cpu-us/op is the processor time of the whole process.
func BenchmarkApply(b *testing.B) {
	const resources, writers = 20000, 64
	for _, bm := range []struct {
		name                   string
		changed, flip, planned bool
	}{
		{name: "Touch"}, {name: "Changed", changed: true}, {name: "Transition", changed: true, flip: true},
		{name: "TouchPlanned", planned: true}, {name: "ChangedPlanned", changed: true, planned: true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := open(b, b.TempDir())
			defer s.Close()
			ctx := context.Background()
			generations := map[string]int64{}
			for _, p := range benchPolicies {
				l, err := s.PutLaunch(ctx, qrie.Launch{Policy: p, Status: qrie.LaunchActive}, 0)
				if err != nil {
					b.Fatal(err)
				}
				generations[p] = l.Generation
			}
			each := func(total int, f func(i int) error) {
				var wg sync.WaitGroup
				errs := make(chan error, writers)
				for w := range writers {
					wg.Go(func() {
						for i := w; i < total; i += writers {
							if err := f(i); err != nil {
								errs <- err
								return
							}
						}
					})
				}
				wg.Wait()
				close(errs)
				for err := range errs {
					b.Fatal(err)
				}
			}
			each(resources, func(i int) error {
				e := benchEvaluation(i, 1, 0, true, 0, false, generations)
				e.Next.Hash = fmt.Sprintf("%024d", i)
				return s.Apply(ctx, e)
			})
			evaluations := make([]store.Evaluation, b.N)
			for i := range evaluations {
				step := i/resources + 2
				failing := 0
				if bm.flip && step%2 == 0 {
					failing = 1
				}
				n := i * 7919 % resources // in no order of the file
				e := benchEvaluation(n, step, int64(step-1), bm.changed, failing, bm.flip, generations)
				if bm.planned { // a few thousand in a second
					now := e.Next.ObservedAt.Add(time.Duration(i) * 250 * time.Microsecond)
					e.Again = &store.DirtyMark{Ref: e.Next.Ref, Events: e.Next.Cause.Events, Reason: "settle", Since: now, DueAt: now.Add([]time.Duration{15 * time.Second, time.Minute, 5 * time.Minute}[i%7%3])}
				}
				evaluations[i] = e
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime()
			for lap := 0; lap*resources < b.N; lap++ {
				part := evaluations[lap*resources : min(len(evaluations), (lap+1)*resources)]
				each(len(part), func(i int) error { return s.Apply(ctx, part[i]) })
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-us/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
		})
	}
}
