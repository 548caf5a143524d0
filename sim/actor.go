package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// person is somebody of the organisation.
type person struct {
	given, family string
	ip            string
	browser       string
	cli           string
}

func (p person) user() string  { return p.given + "." + p.family }
func (p person) email() string { return p.given + "." + p.family + "@" + organisation + ".example" }

const (
	chromeMac  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	firefoxMac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0"
	edgeWin    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0"
	cliMac     = "aws-cli/2.22.4 md/awscrt#0.22.0 ua/2.0 os/macos#24.1.0 md/arch#arm64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off"
	cliLinux   = "aws-cli/2.22.4 md/awscrt#0.22.0 ua/2.0 os/linux#6.8.0-48-generic md/arch#x86_64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/distrib#ubuntu.24 md/prompt#off"
	terraform  = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.76.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.32.5 ua/2.1 os/linux lang/go#1.23.2 md/GOOS#linux md/GOARCH#amd64"
	boto       = "Boto3/1.35.66 md/Botocore#1.35.66 ua/2.0 os/linux#5.10.227 md/arch#x86_64 lang/python#3.12.7 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.35.66"
)

// newPeople makes the staff, in the order of the lists, with addresses of
// their own out of the blocks of RFC 5737.
func newPeople(rng *rand.Rand) []person {
	given := []string{"maya", "jonas", "aiko", "priya", "lars", "sofia", "tomas", "nadia", "felix", "ines", "omar", "greta"}
	family := []string{"lindqvist", "berger", "tanaka", "raman", "holm", "marino", "novak", "haddad", "weber", "duarte", "saleh", "nyberg"}
	people := make([]person, len(given))
	for i := range people {
		people[i] = person{
			given: given[i], family: family[i], ip: fmt.Sprintf("203.0.113.%d", 10+i*3+rng.IntN(3)),
			browser: pick(rng, []string{chromeMac, firefoxMac, edgeWin}), cli: pick(rng, []string{cliMac, cliLinux}),
		}
	}
	return people
}

// tool is the program through which an actor calls.
type tool uint8

const (
	viaConsole tool = iota
	viaCLI
	viaTerraform
	viaSDK
	viaService // an AWS service calls on its own or on somebody's behalf
)

// actor is a principal as CloudTrail shows it, in one account.
type actor struct {
	account  *account
	kind     identity
	name     string // session or user
	role     string
	path     string // of the role or user: /, or a longer one
	key      string // the access key of a user
	tool     tool
	ip       string
	agent    string
	service  string // invokedBy
	provider string // of a web identity
	mfa      bool
	age      time.Duration // of the session
}

// identity is userIdentity.type.
type identity uint8

const (
	identityRole identity = iota
	identityUser
	identityRoot
)

// The role that IAM Identity Center makes of a permission set carries a hash
// of the account and the set.
func ssoRole(a *account, set string) string {
	return fmt.Sprintf("AWSReservedSSO_%s_%016x", set, mix(a.hash^hashText(set)))
}

// sso is somebody signed in through IAM Identity Center.
func (w *World) sso(a *account, session, set string) actor {
	return actor{
		account: a, name: session, role: ssoRole(a, set), path: "/aws-reserved/sso.amazonaws.com/eu-west-1/",
		age: w.span(time.Minute, 7*time.Hour),
	}
}

// person is somebody of the staff, in the console or on the command line.
func (w *World) person(a *account) actor {
	p := pick(w.rng, w.people)
	who := w.sso(a, p.email(), pick(w.rng, []string{"AdministratorAccess", "PowerUserAccess", "PowerUserAccess", "DeveloperAccess"}))
	who.ip = p.ip
	if often(w.rng, 0.6) {
		who.tool, who.agent = viaConsole, p.browser
	} else {
		who.tool, who.agent = viaCLI, p.cli
	}
	return who
}

// pipeline is a GitHub Actions job with a role by OpenID Connect. It runs
// Terraform.
func (w *World) pipeline(a *account) actor {
	return actor{
		account: a, name: "GitHubActions", role: "gha-" + a.Tags["team"] + "-deploy", path: "/", tool: viaTerraform,
		ip: publicIP(w.rng.Uint64()), agent: terraform, age: w.span(10*time.Second, 15*time.Minute),
		provider: "arn:aws:iam::" + a.ID + ":oidc-provider/token.actions.githubusercontent.com",
	}
}

// terraformer is Terraform run by a server of the platform team.
func (w *World) terraformer(a *account) actor {
	return actor{
		account: a, name: "atlantis", role: "terraform-apply", path: "/", tool: viaTerraform,
		ip: publicIP(hashText("atlantis")), agent: terraform, age: w.span(10*time.Second, 30*time.Minute),
	}
}

// lambda is a function of the account's own that tidies up.
func (w *World) lambda(a *account) actor {
	return actor{
		account: a, name: "auto-remediation", role: "auto-remediation", path: "/service-role/", tool: viaSDK,
		ip: publicIP(mix(a.hash)), agent: boto, age: w.span(time.Second, 10*time.Minute),
	}
}

// iamUser is an IAM user of the account with an access key, on the command
// line; a person if the account has none.
func (w *World) iamUser(a *account) actor {
	users := w.byPlace[place{kindUser, a.n, globalRegion}]
	for range 8 {
		if len(users) == 0 {
			break
		}
		t := pick(w.rng, users)
		if s, ok := t.now.(*userState); ok && len(s.keys) > 0 && s.keys[0].active && !t.passing {
			return actor{account: a, kind: identityUser, name: t.id, path: s.path, key: s.keys[0].id, tool: viaCLI, ip: publicIP(t.hash), agent: cliLinux}
		}
	}
	return w.person(a)
}

// scaling is the service-linked role of EC2 Auto Scaling.
func (w *World) scaling(a *account) actor {
	return actor{
		account: a, name: "AutoScaling", role: "AWSServiceRoleForAutoScaling", path: "/aws-service-role/autoscaling.amazonaws.com/",
		tool: viaService, service: "autoscaling.amazonaws.com", age: time.Second,
	}
}

// formation is AWS CloudFormation under its execution role.
func (w *World) formation(a *account) actor {
	return actor{
		account: a, name: "AWSCloudFormation", role: "cfn-execution", path: "/", tool: viaService,
		service: "cloudformation.amazonaws.com", age: w.span(time.Second, 20*time.Minute),
	}
}

// root is the root user in the console.
func (w *World) root(a *account) actor {
	p := pick(w.rng, w.people)
	return actor{account: a, kind: identityRoot, name: "root", tool: viaConsole, ip: p.ip, agent: p.browser, mfa: true, age: 2 * time.Minute}
}

// you is whoever asks for a change on the demo's own console.
func (w *World) you(a *account) actor {
	who := w.sso(a, DemoActor, "AdministratorAccess")
	who.tool, who.agent, who.ip, who.age = viaConsole, chromeMac, "203.0.113.99", 5*time.Minute
	return who
}

// DemoActor is the session name under which World.Change acts.
const DemoActor = "you (demo console)"

// principal is the unique id of the role or user.
func (who actor) principal() string {
	switch who.kind {
	case identityRoot:
		return who.account.ID
	case identityUser:
		// As thing.userID: the hash of the user's name in its account.
		return uniqueID("AIDA", mix(hashText(who.name)^who.account.hash), 17)
	}
	return uniqueID("AROA", mix(hashText(who.role)^who.account.hash), 17)
}

// userAgent is what the tool sends with a call.
func (who actor) userAgent(c *call) string {
	switch who.tool {
	case viaService:
		return who.service
	case viaCLI:
		return who.agent + " md/command#" + c.service() + "." + kebab(c.name)
	case viaTerraform:
		return who.agent + " api/" + strings.TrimSuffix(c.service(), "api") + "#1.68.0"
	}
	return who.agent
}

// kebab turns PutBucketPolicy into put-bucket-policy.
func kebab(name string) string {
	b := make([]byte, 0, len(name)+8)
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			if i > 0 && (name[i-1] < 'A' || name[i-1] > 'Z') {
				b = append(b, '-')
			}
			c |= 0x20
		}
		b = append(b, c)
	}
	return string(b)
}
