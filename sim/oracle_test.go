package sim_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/sim"
)

// TestOracle gives a second opinion: the findings that follow from the
// documents, read through the views, are the ones the oracle expects. The
// oracle reads neither.
func TestOracle(t *testing.T) {
	denials := []sim.Denial{
		{Account: "payments-prod", Action: "s3:GetBucketPolicy"},
		{Account: "payments-staging", Action: "s3:GetBucketPolicyStatus"},
		{Account: "web-prod", Action: "s3:GetAccountPublicAccessBlock"},
		{Account: "web-staging", Action: "s3:GetBucketAcl"},
		{Account: "data-prod", Action: "iam:ListMFADevices"},
		{Account: "data-staging", Action: "ec2:DescribeVolumes"},
		{Account: "sandbox-maya", Action: "iam:GetCredentialReport"},
		{Account: "sandbox-jonas", Action: "iam:GetAccessKeyLastUsed"},
		{Account: "network", Action: "iam:GetPolicyVersion"},
		{Account: "network", Action: "s3:GetBucketVersioning"},
	}
	cases := []struct {
		name   string
		faults sim.Faults
	}{
		{"all is seen", sim.Faults{}},
		{"something is denied everywhere", sim.Faults{Denied: denials}},
		{"an account cannot be reached", sim.Faults{Unreached: []string{"data-prod", "log-archive"}}},
	}
	for _, tc := range cases {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s, seed %d", tc.name, seed), func(t *testing.T) {
				w, c := newWorld(sim.Options{Seed: seed, Resources: 900})
				for round := range 4 {
					for range 200 {
						w.Step(c.step(time.Second))
					}
					refs := everyRef(t, w)
					w.SetFaults(tc.faults)
					got := map[string]bool{}
					for _, ref := range refs {
						o, err := w.Describe(context.Background(), ref)
						if err != nil {
							continue // nothing can be told of what cannot be described
						}
						for _, policy := range judge(t, o, c.t) {
							got[ref.Key()+" "+policy] = true
						}
					}
					want := map[string]bool{}
					for _, e := range w.Expect() {
						want[e.Ref.Key()+" "+e.Policy] = true
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("round %d: findings (-oracle +documents):\n%s", round, diff)
					}
					w.SetFaults(sim.Faults{})
				}
			})
		}
	}
}

// judge lists the policies that a document fails for sure.
func judge(t *testing.T, o qrie.Observation, now time.Time) (failed []string) {
	t.Helper()
	typ, _ := resources.Find(o.Ref.Type)
	view, err := typ.View(o.Ref, o.Document)
	if err != nil {
		t.Fatal(err)
	}
	known := func(fields ...string) bool {
		for _, f := range fields {
			if _, unknown := view.Unknown[f]; unknown {
				return false
			}
		}
		return true
	}
	check := func(policy string, fails bool) {
		if fails {
			failed = append(failed, policy)
		}
	}
	switch v := view.Value.(type) {
	case *resources.S3Bucket:
		granted := false
		for _, g := range v.ACL {
			granted = granted || g.Grantee == "AllUsers" || g.Grantee == "AuthenticatedUsers"
		}
		byACL := known("acl", "ownership") && granted && v.Ownership != "BucketOwnerEnforced" && !v.Block.IgnorePublicACLs
		byPolicy := (known("policy") && publicPolicy(v.Policy) || known("publicByAws") && v.PublicByAWS) && !v.Block.RestrictPublicBuckets
		check("S3BucketPublic", known("block") && (byACL || byPolicy))
		check("S3BucketPublicAccessBlockDisabled", known("block") &&
			!(v.Block.BlockPublicACLs && v.Block.IgnorePublicACLs && v.Block.BlockPublicPolicy && v.Block.RestrictPublicBuckets))
		check("S3BucketVersioningDisabled", known("versioning") && v.Versioning != "Enabled")
		check("S3BucketMfaDeleteDisabled", known("versioning", "mfaDelete") && v.Versioning == "Enabled" && !v.MFADelete)
		check("S3BucketEncryptionDisabled", known("encryption") && len(v.Encryption) == 0)
	case *resources.Account:
		recent := func(at time.Time) bool { return !at.IsZero() && now.Sub(at) <= 30*24*time.Hour }
		check("IAMRootAccountActive", known("rootAccessKeys") && v.RootAccessKeys > 0 ||
			known("rootPasswordUsed") && (recent(v.RootPasswordUsed) || recent(v.RootKeyUsed)))
	case *resources.IAMUser:
		check("IAMUserMfaDisabled", known("hasPassword", "mfaDevices") && v.HasPassword && len(v.MFADevices) == 0)
		const limit = 90 * 24 * time.Hour
		unused, old := false, false
		for _, k := range v.AccessKeys {
			last := k.LastUsed
			if last.IsZero() {
				last = k.CreatedAt
			}
			unused = unused || k.Active && now.Sub(last) > limit
			old = old || k.Active && now.Sub(k.CreatedAt) > limit
		}
		check("IAMAccessKeyUnused", known("accessKeys") && unused)
		check("IAMAccessKeyNotRotated", known("accessKeys") && old)
	case *resources.IAMPolicy:
		check("IAMPolicyOverlyPermissive", known("document") && strings.Contains(v.Document, `"Resource":"*"`) &&
			(strings.Contains(v.Document, `"Action":"*"`) || strings.Contains(v.Document, `"Action":"*:*"`)) &&
			!strings.Contains(v.Document, `"Condition"`))
	case *resources.EC2Instance:
		open := false
		for _, volume := range v.Volumes {
			open = open || !volume.Encrypted
		}
		check("EC2UnencryptedEBS", known("volumes") && open)
	case *resources.SecurityGroup:
		open := false
		for _, r := range v.Ingress {
			if r.CIDR == "" || r.Protocol != "tcp" && r.Protocol != "udp" && r.Protocol != "all" {
				continue
			}
			wide := netip.MustParsePrefix(r.CIDR).Bits() < 8
			open = open || wide && (r.FromPort <= 22 && 22 <= r.ToPort || r.FromPort <= 3389 && 3389 <= r.ToPort)
		}
		check("EC2SecurityGroupOpenToWorld", known("ingress") && open)
	case *resources.RDSInstance:
		check("RDSPublicAccess", known("publiclyAccessible") && v.PubliclyAccessible)
	}
	return failed
}

// publicPolicy knows the policies of the simulation: an Allow for everyone
// without a condition is one statement of the text.
func publicPolicy(text string) bool {
	for _, statement := range strings.Split(text, `{"Sid":`) {
		everyone := strings.Contains(statement, `"Principal":"*"`) || strings.Contains(statement, `"Principal":{"AWS":"*"}`)
		if everyone && strings.Contains(statement, `"Effect":"Allow"`) && !strings.Contains(statement, `"Condition"`) {
			return true
		}
	}
	return false
}
