package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/qrie-sec/qrie"
)

// organisation is the name that buckets and mail addresses carry.
const organisation = "halden"

// globalRegion is where AWS keeps what belongs to no Region.
const globalRegion = "us-east-1"

// account is one account of the organisation. What the lock of the world
// guards is said so; the rest never changes.
type account struct {
	qrie.Account
	n    int
	hash uint64
	apps []string // applications that run here
	env  string
	// careless multiplies the chance of a bad configuration: sandboxes are
	// looser than production.
	careless float64
	self     *thing // its AWS::Account

	// Guarded by World.mu. The map is replaced, never changed.
	denied    map[string]bool
	unreached bool
}

// team is a group of people with accounts of its own.
type team struct {
	name string
	apps []string
}

var teams = []team{
	{"payments", []string{"checkout", "ledger", "invoices", "payouts"}},
	{"web", []string{"storefront", "cms", "images"}},
	{"data", []string{"lake", "reports", "events", "features"}},
	{"mobile", []string{"app-api", "push", "links"}},
	{"search", []string{"catalogue", "ranking"}},
	{"logistics", []string{"routes", "labels", "warehouse"}},
	{"support", []string{"desk", "chat", "knowledge"}},
	{"growth", []string{"campaigns", "experiments", "mailer"}},
}

// central accounts belong to no product.
var central = []struct {
	name, ou, env, team string
	apps                []string
	careless            float64
}{
	{"security-tooling", "/Security", "prod", "security", []string{"audit", "guard"}, 0.3},
	{"log-archive", "/Security", "prod", "security", []string{"trails", "flowlogs"}, 0.3},
	{"shared-services", "/Infrastructure", "prod", "platform", []string{"ci", "artifacts", "dns"}, 0.7},
	{"network", "/Infrastructure", "prod", "platform", []string{"transit", "egress"}, 0.6},
	{"sandbox-maya", "/Sandbox", "sandbox", "platform", []string{"playground"}, 3},
	{"sandbox-jonas", "/Sandbox", "sandbox", "data", []string{"playground", "notebooks"}, 3},
}

// Where the first six accounts of a world come from, so that a small one has
// something of everything.
var environments = []struct {
	name, ou string
	careless float64
}{
	{"prod", "/Workloads/Prod", 0.7},
	{"staging", "/Workloads/Staging", 1.4},
	{"dev", "/Workloads/Dev", 2},
}

// newAccounts makes n accounts: three teams in two environments, the central
// accounts, then every further team, environment and number.
func newAccounts(rng *rand.Rand, n int) []*account {
	var made []*account
	ids, names := map[string]bool{}, map[string]bool{}
	add := func(name, ou, env, teamName string, apps []string, careless float64) {
		if len(made) >= n || names[name] {
			return
		}
		names[name] = true
		id := ""
		for id == "" || ids[id] {
			id = strconv.FormatUint(100_000_000_000+rng.Uint64N(900_000_000_000), 10)
		}
		ids[id] = true
		made = append(made, &account{
			Account: qrie.Account{
				ID: id, Name: name, OU: ou,
				Tags:       map[string]string{"env": env, "team": teamName, "application": apps[0]},
				Regions:    regionsOf(rng, env),
				RoleARN:    "arn:aws:iam::" + id + ":role/QrieReadOnly",
				ExternalID: uuid(rng),
			},
			n: len(made), hash: mix(hashText(id)), apps: apps, env: env, careless: careless,
		})
	}
	for _, t := range teams[:3] {
		for _, e := range environments[:2] {
			add(t.name+"-"+e.name, e.ou, e.name, t.name, t.apps, e.careless)
		}
	}
	for _, c := range central {
		add(c.name, c.ou, c.env, c.team, c.apps, c.careless)
	}
	for round := 1; len(made) < n; round++ {
		for _, t := range teams {
			for _, e := range environments {
				name := t.name + "-" + e.name
				if round > 1 {
					name = fmt.Sprintf("%s-%s-%d", t.name, e.name, round)
				}
				add(name, e.ou, e.name, t.name, t.apps, e.careless)
			}
		}
	}
	return made
}

// regionsOf always holds us-east-1: there the global services answer.
func regionsOf(rng *rand.Rand, env string) []string {
	switch {
	case env == "prod":
		return []string{globalRegion, "eu-west-1", pick(rng, []string{"eu-central-1", "us-west-2"})}
	case often(rng, 0.5):
		return []string{globalRegion, "eu-west-1"}
	default:
		return []string{globalRegion, "eu-central-1"}
	}
}

// Accounts returns the accounts of the organisation.
func (w *World) Accounts() []qrie.Account {
	out := make([]qrie.Account, len(w.accounts))
	for i, a := range w.accounts {
		out[i] = a.Account
	}
	return out
}
