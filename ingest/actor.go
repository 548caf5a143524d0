package ingest

import (
	"strings"

	"github.com/qrie-sec/qrie"
)

// tools are the words by which a user agent gives its tool away, the more
// telling first: Terraform calls through an SDK, and says both.
var tools = []struct{ word, tool string }{
	{"Terraform", "Terraform"}, {"terraform-provider-aws", "Terraform"}, {"OpenTofu", "OpenTofu"},
	{"Pulumi", "Pulumi"}, {"Ansible", "Ansible"}, {"aws-cdk", "CDK"},
	{"cloudformation.amazonaws.com", toolCloudFormation},
	{"aws-cli/", "CLI"},
	{"console.amazonaws.com", toolConsole}, {"signin.amazonaws.com", toolConsole}, {"console.", toolConsole},
	{"S3Console", toolConsole}, {"Mozilla/", toolConsole},
}

// sdks come last: whatever has a name of its own also names its SDK.
var sdks = []struct{ word, tool string }{
	{"aws-sdk-", toolSDK}, {"Boto3/", toolSDK}, {"Botocore/", toolSDK}, {"boto3/", toolSDK}, {"botocore/", toolSDK},
}

const (
	toolConsole        = "console"
	toolCloudFormation = "CloudFormation"
	toolService        = "AWS service"
	toolSDK            = "SDK"
)

// automatons are beginnings of session names and words of user agents of
// machines that run other people's code.
var (
	automatonSessions = []string{"GitHubActions", "gitlab", "GitLab", "AWSCodeBuild-", "CodePipeline", "jenkins", "circleci", "terraform-run-", "tfc-", "buildkite"}
	automatonAgents   = []string{"exec-env/AWS_Lambda", "exec-env/AWS_ECS", "exec-env/CodeBuild"}
	// pipelineProviders are hosts of OpenID Connect issuers that sign for jobs
	// and never for people.
	pipelineProviders = []string{
		"token.actions.githubusercontent.com", "gitlab", "app.terraform.io", "oidc.circleci.com",
		"agent.buildkite.com", "bitbucket.org", "vstoken.dev.azure.com", "oidc.eks.", "oidc.vercel.com",
	}
)

// actor says who called, as far as the record tells. What it does not tell
// stays empty or unknown. Source: CloudTrail User Guide, "CloudTrail
// userIdentity element".
func (rec *record) actor() qrie.Actor {
	id := &rec.identity
	a := qrie.Actor{
		Kind: qrie.ActorUnknown, Name: id.userName(), Type: id.kind, ARN: id.arn, Account: id.account,
		Identity: id.source, Tool: rec.tool(),
	}
	person := a.Tool == toolConsole || rec.fromConsole || id.mfa
	switch id.kind {
	case "Root":
		a.Kind, a.Name = qrie.ActorRoot, "root"
	case "AWSService":
		a.Kind, a.Name, a.Tool = qrie.ActorService, id.invokedBy, toolService
	case "IAMUser":
		a.Kind = humanIf(person)
	case "AssumedRole":
		rec.assumedRole(&a, person)
	case "FederatedUser":
		a.Kind, a.Via = humanIf(person), "federation token"
		a.Identity = firstOf(a.Identity, id.issuer)
	case "SAMLUser":
		a.Kind, a.Via, a.Identity = qrie.ActorHuman, "SAML", firstOf(a.Identity, id.user)
	case "WebIdentityUser":
		a.Via, a.Identity = "OIDC", firstOf(a.Identity, id.user)
		a.Kind = pipelineIf(containsAny(id.provider, pipelineProviders))
	case "IdentityCenterUser":
		a.Kind, a.Via, a.Identity = qrie.ActorHuman, "SSO", firstOf(a.Identity, id.onBehalfOf)
		a.Name = firstOf(a.Name, id.onBehalfOf)
	}
	a.Via = firstOf(a.Via, id.invokedBy)
	a.Identity = firstOf(a.Identity, id.onBehalfOf)
	// What is left is better than nothing: who it cannot be is seen at once.
	a.Name = firstOf(a.Name, sessionOf(id.principal), id.invokedBy, id.account, id.kind, "unknown")
	return a
}

// assumedRole tells people from machines behind a role session. The name of a
// session is chosen by whoever assumes the role, so it is a name and no proof.
func (rec *record) assumedRole(a *qrie.Actor, person bool) {
	id := &rec.identity
	a.Role = firstOf(id.issuer, roleOf(id.arn))
	a.Name = firstOf(lastPart(id.arn), sessionOf(id.principal))
	switch {
	case strings.HasPrefix(a.Role, "AWSReservedSSO_"):
		// IAM Identity Center makes these roles and puts the person's user name
		// into the session. Source: IAM Identity Center User Guide, "Permission
		// sets".
		a.Kind, a.Via = qrie.ActorHuman, "SSO"
	case strings.Contains(id.issuerARN, ":role/aws-service-role/") || strings.HasPrefix(a.Role, "AWSServiceRoleFor"):
		a.Kind = qrie.ActorService
		a.Name = firstOf(servicePath(id.issuerARN), a.Name)
	case id.federated != "":
		a.Via = "OIDC"
		a.Kind = pipelineIf(containsAny(id.federated, pipelineProviders))
		a.Identity = firstOf(a.Identity, lastAfter(id.federated, "oidc-provider/"))
	case person || strings.Contains(a.Name, "@"):
		a.Kind = qrie.ActorHuman
	case isInstance(a.Name) || hasAnyPrefix(a.Name, automatonSessions) || containsAny(rec.userAgent, automatonAgents):
		a.Kind = qrie.ActorPipeline
	}
}

// isInstance recognises the session that EC2 opens for an instance profile:
// its name is the instance's id.
func isInstance(session string) bool {
	hex, ok := strings.CutPrefix(session, "i-")
	return ok && len(hex) >= 8 && strings.Trim(hex, "0123456789abcdef") == ""
}

// tool reads the tool out of the user agent and what CloudTrail says beside it.
func (rec *record) tool() string {
	agent := rec.userAgent
	for _, t := range tools {
		if strings.Contains(agent, t.word) {
			return t.tool
		}
	}
	switch {
	case rec.identity.invokedBy == "cloudformation.amazonaws.com":
		return toolCloudFormation
	case rec.fromConsole, rec.eventType == "AwsConsoleSignIn", rec.eventType == "AwsConsoleAction":
		return toolConsole
	case strings.HasSuffix(agent, ".amazonaws.com"), agent == "AWS Internal", strings.HasPrefix(agent, "aws-internal/"):
		return toolService
	}
	for _, t := range sdks {
		if strings.Contains(agent, t.word) {
			return t.tool
		}
	}
	return ""
}

// userName is the IAM user that called, which old records and some exports
// leave to the ARN.
func (id *identity) userName() string {
	if id.user != "" {
		return id.user
	}
	if strings.Contains(id.arn, ":user/") || strings.Contains(id.arn, ":federated-user/") {
		return lastPart(id.arn)
	}
	return ""
}

func humanIf(person bool) qrie.ActorKind {
	if person {
		return qrie.ActorHuman
	}
	return qrie.ActorUnknown
}

func pipelineIf(machine bool) qrie.ActorKind {
	if machine {
		return qrie.ActorPipeline
	}
	return qrie.ActorUnknown
}

// lastPart is what follows the last slash of an ARN.
func lastPart(arn string) string {
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		return arn[i+1:]
	}
	return ""
}

// roleOf is the role of arn:aws:sts::123412341234:assumed-role/role/session.
func roleOf(arn string) string {
	role, _, _ := strings.Cut(lastAfter(arn, ":assumed-role/"), "/")
	return role
}

// servicePath is the service of
// arn:aws:iam::123412341234:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling.
func servicePath(arn string) string {
	service, _, _ := strings.Cut(lastAfter(arn, ":role/aws-service-role/"), "/")
	return service
}

// sessionOf is the session of AROAEXAMPLE:session.
func sessionOf(principal string) string {
	_, session, _ := strings.Cut(principal, ":")
	return session
}

func lastAfter(s, mark string) string {
	if i := strings.LastIndex(s, mark); i >= 0 {
		return s[i+len(mark):]
	}
	return ""
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
