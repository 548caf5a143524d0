package sim

import (
	"net/netip"
	"slices"
)

// rule is one permission of a security group for one source.
type rule struct {
	protocol string // tcp, udp, icmp or -1 for all
	from, to int    // for -1 they mean nothing; for icmp they are type and code
	cidr     string // IPv4 or IPv6 block; empty for a group as source
	group    string
	note     string
}

// sshPort and rdpPort are the ports whose opening to the world is a finding.
const (
	sshPort = 22
	rdpPort = 3389
)

// tooWide: a block with fewer prefix bits than this counts as the internet,
// so that halves of it do not slip through.
const tooWide = 8

func (r rule) openToWorld() bool {
	if r.cidr == "" {
		return false
	}
	block, err := netip.ParsePrefix(r.cidr)
	if err != nil || block.Bits() >= tooWide {
		return false
	}
	switch r.protocol {
	case "-1":
		return true
	case "tcp", "udp": // Remote Desktop speaks both
		return r.from <= sshPort && sshPort <= r.to || r.from <= rdpPort && rdpPort <= r.to
	}
	return false
}

type groupState struct {
	name, description string
	rules             []rule
	tags              tagSet
}

func (s *groupState) openToWorld() bool { return slices.ContainsFunc(s.rules, rule.openToWorld) }

func (s *groupState) failing(_ judgement, fail func(string)) {
	if s.openToWorld() {
		fail("EC2SecurityGroupOpenToWorld")
	}
}

func (s *groupState) write(d *document) {
	t := d.t
	if !d.member("SecurityGroup") {
		return
	}
	d.object("SecurityGroup")
	d.texts("GroupId", t.id, "GroupName", s.name, "Description", s.description,
		"OwnerId", t.account.ID, "VpcId", t.account.vpcID(t.region), "SecurityGroupArn", t.arn)
	d.array("IpPermissions")
	for i, r := range s.rules {
		if slices.ContainsFunc(s.rules[:i], r.together) {
			continue // written with the first rule of its ports
		}
		s.writePermission(d, r)
	}
	d.endArray()
	d.raw("IpPermissionsEgress", `[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"0.0.0.0/0"}],"Ipv6Ranges":[],"PrefixListIds":[],"UserIdGroupPairs":[]}]`)
	d.array("Tags")
	for _, tg := range s.tags {
		d.object("")
		d.texts("Key", tg.key, "Value", tg.value)
		d.end()
	}
	d.endArray()
	d.end()
}

// together: EC2 answers with one permission for all sources of a port range.
func (r rule) together(o rule) bool {
	return r.protocol == o.protocol && r.from == o.from && r.to == o.to
}

func (r rule) v6() bool {
	return r.cidr != "" && slices.Contains([]byte(r.cidr), ':')
}

func (s *groupState) writePermission(d *document, first rule) {
	d.object("")
	d.text("IpProtocol", first.protocol)
	if first.protocol != "-1" {
		d.int("FromPort", int64(first.from))
		d.int("ToPort", int64(first.to))
	}
	ranges := func(name, member string, belongs func(rule) bool, value func(rule) string) {
		d.array(name)
		for _, r := range s.rules {
			if !r.together(first) || !belongs(r) {
				continue
			}
			d.object("")
			d.text(member, value(r))
			if member == "GroupId" {
				d.text("UserId", d.t.account.ID)
			}
			if r.note != "" {
				d.text("Description", r.note)
			}
			d.end()
		}
		d.endArray()
	}
	block := func(r rule) string { return r.cidr }
	ranges("IpRanges", "CidrIp", func(r rule) bool { return r.cidr != "" && !r.v6() }, block)
	ranges("Ipv6Ranges", "CidrIpv6", rule.v6, block)
	ranges("UserIdGroupPairs", "GroupId", func(r rule) bool { return r.group != "" }, func(r rule) string { return r.group })
	d.raw("PrefixListIds", "[]")
	d.end()
}

var (
	groupRoles  = []string{"alb", "ecs", "workers", "db", "cache", "bastion", "lambda", "endpoints"}
	officeCIDRs = []string{"203.0.113.0/26", "198.51.100.64/27"}
)

// openings are the rules that make a group open to the world.
var openings = []rule{
	{protocol: "tcp", from: sshPort, to: sshPort, cidr: "0.0.0.0/0"},
	{protocol: "tcp", from: rdpPort, to: rdpPort, cidr: "0.0.0.0/0"},
	{protocol: "tcp", from: 0, to: 65535, cidr: "0.0.0.0/0", note: "temporary, ticket to follow"},
	{protocol: "tcp", from: sshPort, to: sshPort, cidr: "::/0"},
	{protocol: "-1", cidr: "0.0.0.0/0", note: "debugging"},
	{protocol: "tcp", from: 20, to: 1024, cidr: "128.0.0.0/1"},
}

// harmless are rules that look wide and are none of SSH's or RDP's business.
var harmless = []rule{
	{protocol: "tcp", from: 443, to: 443, cidr: "0.0.0.0/0", note: "public HTTPS"},
	{protocol: "tcp", from: 443, to: 443, cidr: "::/0", note: "public HTTPS"},
	{protocol: "tcp", from: 80, to: 80, cidr: "0.0.0.0/0", note: "redirect to HTTPS"},
	{protocol: "icmp", from: -1, to: -1, cidr: "0.0.0.0/0", note: "path MTU"},
	{protocol: "tcp", from: sshPort, to: sshPort, cidr: "10.0.0.0/8", note: "from inside"},
	{protocol: "tcp", from: 5432, to: 5432, cidr: "10.0.0.0/8"},
	{protocol: "tcp", from: 8080, to: 8090, cidr: "10.0.0.0/8"},
}

func (w *World) seedGroup(a *account, region string) {
	app := pick(w.rng, a.apps)
	role := pick(w.rng, groupRoles)
	s := &groupState{name: app + "-" + a.env + "-" + role, description: app + " " + role + " in " + a.env, tags: w.appTags(a, app)}
	for range 1 + w.rng.IntN(3) {
		s.rules = append(s.rules, pick(w.rng, harmless))
	}
	if often(w.rng, 0.3) {
		s.rules = append(s.rules, rule{protocol: "tcp", from: sshPort, to: sshPort, cidr: pick(w.rng, officeCIDRs), note: "office"})
	}
	if peers := w.byPlace[place{kindGroup, a.n, region}]; len(peers) > 0 && often(w.rng, 0.5) {
		s.rules = append(s.rules, rule{protocol: "tcp", from: 8080, to: 8080, group: pick(w.rng, peers).id})
	}
	s.rules = distinct(s.rules)
	if often(w.rng, 0.06*a.careless) {
		s.rules = append(s.rules, pick(w.rng, openings))
	}
	w.add(&thing{kind: kindGroup, account: a, region: region, id: awsID("sg-", w.rng.Uint64()), name: s.name, born: w.past(1200)}, s, w.start)
}

// pickGroups draws security groups that will last; none if the Region has
// none.
func (w *World) pickGroups(a *account, region string, most int) []*thing {
	peers := w.byPlace[place{kindGroup, a.n, region}]
	var out []*thing
	for tries := 0; len(peers) > 0 && len(out) < most && tries < 4*most; tries++ {
		if g := pick(w.rng, peers); !g.passing && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// distinct drops repeated rules: EC2 refuses them.
func distinct(rules []rule) []rule {
	var out []rule
	for _, r := range rules {
		if !slices.ContainsFunc(out, r.same) {
			out = append(out, r)
		}
	}
	return out
}

func (r rule) same(o rule) bool { return r.together(o) && r.cidr == o.cidr && r.group == o.group }
