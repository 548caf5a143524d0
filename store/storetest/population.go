package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

const (
	populationAccounts = 100
	perResource        = 5
)

var populationTypes = []string{"AWS::S3::Bucket", "AWS::IAM::User", "AWS::EC2::SecurityGroup", "AWS::RDS::DBInstance"}

func populationAccount(i int) string { return fmt.Sprintf("1111222%05d", i%populationAccounts) }

func populationPolicy(kind int) (policy, resourceType string) {
	resourceType = populationTypes[kind%len(populationTypes)]
	return fmt.Sprintf("%sPolicy%d", qrie.ServiceOf(resourceType), kind), resourceType
}

// populationRef is the n-th resource.
func populationRef(n int) qrie.Ref {
	return qrie.Ref{Account: populationAccount(n * 37 / len(populationTypes)), Region: []string{"eu-west-1", "us-east-1"}[n/2%2], Type: populationTypes[n%len(populationTypes)],
		ID: fmt.Sprintf("resource-%d", n), ARN: fmt.Sprintf("arn:aws:service:eu-west-1:account:thing/resource-%d", n)}
}

// populationSeverities are few: a policy has one, and launches change it now and
// then.
var populationSeverities = []qrie.Severity{10, 45, 60, 75, 95}

// Populate makes so many findings, five on a resource and a fifth of them
// resolved, in a hundred accounts, of twenty policies; the same each time. It
// returns what counters of them stand at. It is for adapters to fill a store
// with more than Apply could write in good time.
func Populate(findings int, each func(store.Resource, []qrie.Finding) error) ([]store.Delta, error) {
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var tally store.Tally
	for n := range findings / perResource {
		ref := populationRef(n)
		r := store.Resource{Ref: ref, Name: ref.ID, Tags: map[string]string{"team": "blue"}, Version: 1, ObservedAt: start, ChangedAt: start, FirstSeen: start,
			ListedAt: start, Hash: "0123456789abcdef01234567", Heads: map[string]store.Head{}, Generation: 3, Cause: populationCause(n, start)}
		if n%10 == 9 {
			r.DueAt = start.Add(time.Hour)
		}
		var of []qrie.Finding
		for i := range perResource {
			policy, _ := populationPolicy(n%len(populationTypes) + i*len(populationTypes))
			at := start.Add(time.Duration(random.Int64N(int64(30 * 24 * time.Hour))))
			f := qrie.Finding{ID: ref.FindingID(policy), Ref: ref, Policy: policy, Name: ref.ID, Severity: populationSeverities[random.IntN(len(populationSeverities))], State: qrie.Active,
				Summary: "anyone on the internet can read the objects of this bucket", FirstSeen: at, OpenedAt: at, ChangedAt: at, Cause: populationCause(n, at),
				Generation: 3, Version: 1}
			outcome := qrie.Fail
			if random.IntN(5) == 0 {
				f.State, f.Resolution, f.ResolvedAt, outcome = qrie.Resolved, qrie.ResolvedFixed, at, qrie.Pass
			}
			r.Heads[policy] = store.Head{Outcome: outcome, Severity: f.Severity, Open: f.State == qrie.Active, Hash: "0123456789abcdef", Generation: 3}
			tally.Finding(qrie.Finding{}, f)
			of = append(of, f)
		}
		tally.Resource(store.Resource{}, r)
		if err := each(r, of); err != nil {
			return nil, err
		}
	}
	for day := range 30 {
		for _, band := range qrie.Bands {
			tally.Add(store.DayCounter(start.AddDate(0, 0, day), band, false), int64(findings/150), time.Time{})
		}
	}
	return tally.Deltas(), nil
}

func populationCause(n int, at time.Time) qrie.Cause {
	return qrie.Cause{Attribution: qrie.AttributionExact, Before: at, Events: []qrie.Event{{ID: fmt.Sprintf("0f5b3f0e-1c1b-4c7e-9a5f-%012d", n), Name: "PutBucketPolicy",
		Source: "s3.amazonaws.com", Account: "111122223333", Region: "eu-west-1", Time: at, Arrived: at, SourceIP: "192.0.2.17", UserAgent: "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12]",
		Actor: qrie.Actor{Kind: qrie.ActorHuman, Name: "mira.lindqvist", Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin/mira.lindqvist",
			Account: "111122223333", Role: "AWSReservedSSO_Admin", Via: "SSO", Tool: "console"}}}}
}
