package ingest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
)

func TestActor(t *testing.T) {
	const (
		account = "111122223333"
		sts     = "arn:aws:sts::111122223333:assumed-role/"
		iam     = "arn:aws:iam::111122223333:role/"
	)
	cases := []struct {
		name, identity, agent string
		members               map[string]string
		want                  qrie.Actor
	}{
		{
			name:     "an IAM user in the console",
			identity: `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann","accountId":"111122223333","userName":"ann","sessionContext":{"attributes":{"mfaAuthenticated":"true"}}}`,
			agent:    "console.amazonaws.com",
			want:     qrie.Actor{Kind: qrie.ActorHuman, Name: "ann", Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/ann", Account: account, Tool: "console"},
		},
		{
			name:     "an IAM user whose keys anything may hold",
			identity: `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ci/deployer","accountId":"111122223333"}`,
			agent:    "Boto3/1.26.0 Python/3.9.0",
			want:     qrie.Actor{Kind: qrie.ActorUnknown, Name: "deployer", Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/ci/deployer", Account: account, Tool: "SDK"},
		},
		{
			name: "a person through SSO",
			identity: `{"type":"AssumedRole","principalId":"AROAEXAMPLE:ann@example.com","arn":"` + sts + `AWSReservedSSO_Admin_0123456789abcdef/ann@example.com","accountId":"111122223333",
				"sessionContext":{"sessionIssuer":{"type":"Role","arn":"` + iam + `aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef","userName":"AWSReservedSSO_Admin_0123456789abcdef"},"webIdFederationData":{}}}`,
			agent: "[Mozilla/5.0 (Macintosh)]",
			want: qrie.Actor{Kind: qrie.ActorHuman, Name: "ann@example.com", Type: "AssumedRole", Role: "AWSReservedSSO_Admin_0123456789abcdef",
				ARN: sts + "AWSReservedSSO_Admin_0123456789abcdef/ann@example.com", Account: account, Via: "SSO", Tool: "console"},
		},
		{
			name: "a job through OIDC, with Terraform",
			identity: `{"type":"AssumedRole","principalId":"AROAEXAMPLE:deploy-42","arn":"` + sts + `ci-deploy/deploy-42","accountId":"111122223333",
				"sessionContext":{"sessionIssuer":{"type":"Role","arn":"` + iam + `ci-deploy","userName":"ci-deploy"},
				"webIdFederationData":{"federatedProvider":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com","attributes":{}}}}`,
			agent: "APN/1.0 HashiCorp/1.0 Terraform/1.9.0 (+https://www.terraform.io) terraform-provider-aws/5.60.0 aws-sdk-go-v2/1.30.0",
			want: qrie.Actor{Kind: qrie.ActorPipeline, Name: "deploy-42", Type: "AssumedRole", Role: "ci-deploy", ARN: sts + "ci-deploy/deploy-42", Account: account,
				Via: "OIDC", Identity: "token.actions.githubusercontent.com", Tool: "Terraform"},
		},
		{
			name: "somebody through a web identity of people",
			identity: `{"type":"AssumedRole","arn":"` + sts + `app/x","accountId":"111122223333","sessionContext":{"sessionIssuer":{"userName":"app"},
				"webIdFederationData":{"federatedProvider":"cognito-identity.amazonaws.com"}}}`,
			want: qrie.Actor{Kind: qrie.ActorUnknown, Name: "x", Type: "AssumedRole", Role: "app", ARN: sts + "app/x", Account: account, Via: "OIDC"},
		},
		{
			name:     "a role with a source identity",
			identity: `{"type":"AssumedRole","arn":"` + sts + `ops/session-7","accountId":"111122223333","sessionContext":{"sourceIdentity":"ann","sessionIssuer":{"userName":"ops"}}}`,
			agent:    "aws-cli/2.15.0 Python/3.11",
			want:     qrie.Actor{Kind: qrie.ActorUnknown, Name: "session-7", Type: "AssumedRole", Role: "ops", ARN: sts + "ops/session-7", Account: account, Identity: "ann", Tool: "CLI"},
		},
		{
			name:     "an instance with its profile",
			identity: `{"type":"AssumedRole","principalId":"AROAEXAMPLE:i-0123456789abcdef0","arn":"` + sts + `web/i-0123456789abcdef0","accountId":"111122223333"}`,
			agent:    "aws-sdk-go-v2/1.30.0 os/linux",
			want:     qrie.Actor{Kind: qrie.ActorPipeline, Name: "i-0123456789abcdef0", Type: "AssumedRole", Role: "web", ARN: sts + "web/i-0123456789abcdef0", Account: account, Tool: "SDK"},
		},
		{
			name:     "a console session of a role",
			identity: `{"type":"AssumedRole","arn":"` + sts + `ops/ann","accountId":"111122223333","sessionContext":{"sessionIssuer":{"userName":"ops"}}}`,
			agent:    "AWS Internal",
			members:  map[string]string{"sessionCredentialFromConsole": `"true"`},
			want:     qrie.Actor{Kind: qrie.ActorHuman, Name: "ann", Type: "AssumedRole", Role: "ops", ARN: sts + "ops/ann", Account: account, Tool: "console"},
		},
		{
			name: "a service-linked role",
			identity: `{"type":"AssumedRole","arn":"` + sts + `AWSServiceRoleForAutoScaling/AutoScaling","accountId":"111122223333","invokedBy":"autoscaling.amazonaws.com",
				"sessionContext":{"sessionIssuer":{"arn":"` + iam + `aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling","userName":"AWSServiceRoleForAutoScaling"}}}`,
			agent: "autoscaling.amazonaws.com",
			want: qrie.Actor{Kind: qrie.ActorService, Name: "autoscaling.amazonaws.com", Type: "AssumedRole", Role: "AWSServiceRoleForAutoScaling",
				ARN: sts + "AWSServiceRoleForAutoScaling/AutoScaling", Account: account, Via: "autoscaling.amazonaws.com", Tool: "AWS service"},
		},
		{
			name:     "CloudFormation for a user",
			identity: `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann","accountId":"111122223333","userName":"ann","invokedBy":"cloudformation.amazonaws.com"}`,
			agent:    "cloudformation.amazonaws.com",
			want: qrie.Actor{Kind: qrie.ActorUnknown, Name: "ann", Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/ann", Account: account,
				Via: "cloudformation.amazonaws.com", Tool: "CloudFormation"},
		},
		{
			name:     "an AWS service by itself",
			identity: `{"type":"AWSService","invokedBy":"lambda.amazonaws.com"}`,
			agent:    "lambda.amazonaws.com",
			want:     qrie.Actor{Kind: qrie.ActorService, Name: "lambda.amazonaws.com", Type: "AWSService", Via: "lambda.amazonaws.com", Tool: "AWS service"},
		},
		{
			name:     "root",
			identity: `{"type":"Root","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}`,
			agent:    "Mozilla/5.0",
			want:     qrie.Actor{Kind: qrie.ActorRoot, Name: "root", Type: "Root", ARN: "arn:aws:iam::111122223333:root", Account: account, Tool: "console"},
		},
		{
			name:     "another account",
			identity: `{"type":"AWSAccount","accountId":"444455556666","principalId":"AROAEXAMPLE:partner"}`,
			want:     qrie.Actor{Kind: qrie.ActorUnknown, Name: "partner", Type: "AWSAccount", Account: "444455556666"},
		},
		{
			name:     "a SAML sign-in",
			identity: `{"type":"SAMLUser","principalId":"abc:ann@example.com","userName":"ann@example.com","identityProvider":"abc"}`,
			want:     qrie.Actor{Kind: qrie.ActorHuman, Name: "ann@example.com", Type: "SAMLUser", Via: "SAML", Identity: "ann@example.com"},
		},
		{
			name:     "an OIDC sign-in",
			identity: `{"type":"WebIdentityUser","principalId":"x","userName":"repo:org/app:ref:refs/heads/main","identityProvider":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}`,
			want: qrie.Actor{Kind: qrie.ActorPipeline, Name: "repo:org/app:ref:refs/heads/main", Type: "WebIdentityUser", Via: "OIDC",
				Identity: "repo:org/app:ref:refs/heads/main"},
		},
		{
			name:     "an Identity Center user",
			identity: `{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"544894e8-80c1","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-1"}}`,
			want:     qrie.Actor{Kind: qrie.ActorHuman, Name: "544894e8-80c1", Type: "IdentityCenterUser", Account: account, Via: "SSO", Identity: "544894e8-80c1"},
		},
		{
			name: "a federation token",
			identity: `{"type":"FederatedUser","arn":"arn:aws:sts::111122223333:federated-user/bot","accountId":"111122223333","principalId":"111122223333:bot",
				"sessionContext":{"sessionIssuer":{"type":"IAMUser","userName":"broker"}}}`,
			want: qrie.Actor{Kind: qrie.ActorUnknown, Name: "bot", Type: "FederatedUser", ARN: "arn:aws:sts::111122223333:federated-user/bot", Account: account,
				Via: "federation token", Identity: "broker"},
		},
		{name: "nobody", identity: `null`, want: qrie.Actor{Kind: qrie.ActorUnknown, Name: "unknown"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			members := map[string]string{"userIdentity": c.identity, "userAgent": `"` + c.agent + `"`, "requestParameters": `{"bucketName":"b"}`}
			for k, v := range c.members {
				members[k] = v
			}
			d, err := decoder.Decode(ingest.Raw{Record: record("s3", "PutBucketPolicy", members)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, d.Event.Actor); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
