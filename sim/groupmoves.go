package sim

import (
	"slices"
	"strconv"
	"strings"
)

// ec2Call is a call on EC2.
func ec2Call(name, region, request, response string) call {
	return call{source: ec2Source, name: name, region: region, request: request, response: response}
}

// permissionItem writes a rule as EC2's requests have it in CloudTrail.
func permissionItem(r rule) string {
	w := &writer{}
	w.object("")
	w.text("ipProtocol", r.protocol)
	if r.protocol != "-1" {
		w.int("fromPort", int64(r.from))
		w.int("toPort", int64(r.to))
	}
	list := func(name string, belongs bool, member, value string) {
		w.object(name)
		if belongs {
			w.array("items")
			w.object("")
			w.text(member, value)
			if r.note != "" {
				w.text("description", r.note)
			}
			w.end()
			w.endArray()
		}
		w.end()
	}
	list("groups", r.group != "", "groupId", r.group)
	list("ipRanges", r.cidr != "" && !r.v6(), "cidrIp", r.cidr)
	list("ipv6Ranges", r.v6(), "cidrIpv6", r.cidr)
	list("prefixListIds", false, "", "")
	w.end()
	return string(w.b)
}

// ruleItem writes a rule as EC2's answer to Authorize has it.
func ruleItem(t *thing, r rule) string {
	w := &writer{}
	w.object("")
	w.texts("groupOwnerId", t.account.ID, "groupId", t.id, "securityGroupRuleId", awsID("sgr-", mix(t.hash^hashText(r.protocol+r.cidr)^uint64(r.from))))
	w.bool("isEgress", false)
	w.text("ipProtocol", r.protocol)
	if r.protocol == "-1" {
		w.int("fromPort", -1)
		w.int("toPort", -1)
	} else {
		w.int("fromPort", int64(r.from))
		w.int("toPort", int64(r.to))
	}
	if r.v6() {
		w.text("cidrIpv6", r.cidr)
	} else {
		w.text("cidrIpv4", r.cidr)
	}
	w.end()
	return string(w.b)
}

func (c *scene) authorize(t *thing, r rule) {
	c.call(ec2Call("AuthorizeSecurityGroupIngress", t.region,
		`{"groupId":"`+t.id+`","ipPermissions":{"items":[`+permissionItem(r)+`]}}`,
		`{"requestId":"`+uuid(c.w.rng)+`","_return":true,"securityGroupRuleSet":{"items":[`+ruleItem(t, r)+`]}}`))
}

func (c *scene) revoke(t *thing, gone []rule) {
	items := make([]string, len(gone))
	for i, r := range gone {
		items[i] = permissionItem(r)
	}
	c.call(ec2Call("RevokeSecurityGroupIngress", t.region,
		`{"groupId":"`+t.id+`","ipPermissions":{"items":[`+strings.Join(items, ",")+`]}}`,
		`{"requestId":"`+uuid(c.w.rng)+`","_return":true}`))
}

// opening makes the move that opens a group by one of the rules.
func opening(m move, rules ...rule) *move {
	m.kind, m.bad, m.policy, m.undo = kindGroup, true, "EC2SecurityGroupOpenToWorld", "group-close"
	m.able = able(func(_ *World, _ *thing, s *groupState) string {
		return unless(s.openToWorld(), "it is open to the world already")
	})
	m.do = change(func(c *scene, t *thing, old *groupState) *groupState {
		s := *old
		r := pick(c.w.rng, rules)
		s.rules = append(slices.Clone(s.rules), r)
		c.authorize(t, r)
		return &s
	})
	return &m
}

var groupMoves = []*move{
	opening(move{id: "group-open-ssh", title: "Open SSH to the world on a security group", shown: true, load: true, weight: 10, by: byMany}, openings[0]),
	opening(move{id: "group-open-rdp", title: "Open RDP to the world on a security group", shown: true, weight: 4, by: byMany}, openings[1]),
	opening(move{id: "group-open", title: "Open a security group wide", weight: 5, by: byPeople}, openings[2:]...),
	{
		id: "group-close", title: "Close a security group that is open to the world", kind: kindGroup, shown: true, load: true,
		policy: "EC2SecurityGroupOpenToWorld", weight: 8, by: byMenders,
		able: able(func(_ *World, _ *thing, s *groupState) string {
			return unless(!s.openToWorld(), "it is not open to the world")
		}),
		do: change(func(c *scene, t *thing, old *groupState) *groupState {
			s := *old
			s.rules = nil
			var gone []rule
			for _, r := range old.rules {
				if r.openToWorld() {
					gone = append(gone, r)
				} else {
					s.rules = append(s.rules, r)
				}
			}
			c.revoke(t, gone)
			return &s
		}),
	},
	{
		id: "group-rule", title: "Allow or forbid a port inside the network", kind: kindGroup, weight: 6, load: true, by: byPipelines,
		able: able(func(*World, *thing, *groupState) string { return "" }),
		do: change(func(c *scene, t *thing, old *groupState) *groupState {
			s := *old
			port := 9000 + c.w.rng.IntN(8)
			r := rule{protocol: "tcp", from: port, to: port, cidr: "10.0.0.0/8", note: "port " + strconv.Itoa(port)}
			if i := slices.IndexFunc(s.rules, r.same); i >= 0 {
				s.rules = slices.Delete(slices.Clone(s.rules), i, i+1)
				c.revoke(t, []rule{r})
			} else {
				s.rules = append(slices.Clone(s.rules), r)
				c.authorize(t, r)
			}
			return &s
		}),
	},
	{
		id: "group-tag", title: "Change a security group's tags", kind: kindGroup, weight: 2, load: true, by: byPipelines,
		able: able(func(*World, *thing, *groupState) string { return "" }),
		do: change(func(c *scene, t *thing, old *groupState) *groupState {
			s := *old
			s.tags = c.createTag(t, s.tags)
			return &s
		}),
	},
	{
		id: "group-create", title: "Create a security group", kind: kindGroup, birth: true, weight: 2, by: byMany,
		do: func(c *scene, _ *thing) *thing {
			w, a := c.w, c.account
			app, region := pick(w.rng, a.apps), pick(w.rng, a.Regions)
			s := &groupState{
				name:        app + "-" + a.env + "-" + pick(w.rng, groupRoles) + "-" + string(appendHex(nil, w.rng.Uint64(), 5)),
				description: "made for " + app, tags: w.appTags(a, app),
			}
			t := w.add(&thing{kind: kindGroup, account: a, region: region, id: awsID("sg-", w.rng.Uint64()), name: s.name, born: c.now()}, s, c.at)
			c.call(ec2Call("CreateSecurityGroup", region,
				`{"groupName":"`+s.name+`","groupDescription":"`+s.description+`","vpcId":"`+a.vpcID(region)+
					`","tagSpecificationSet":{"items":[{"resourceType":"security-group","tags":`+eventTags(s.tags, "key", "value")+`}]}}`,
				`{"requestId":"`+uuid(w.rng)+`","_return":true,"groupId":"`+t.id+`","securityGroupArn":"`+t.arn+`"}`))
			return c.made(t)
		},
	},
	{
		id: "group-delete", title: "Delete a security group made here", kind: kindGroup, weight: 2, by: byMany,
		able: able(func(_ *World, t *thing, _ *groupState) string {
			return unless(!t.passing, "something refers to it")
		}),
		do: func(c *scene, t *thing) *thing {
			c.call(ec2Call("DeleteSecurityGroup", t.region, `{"groupId":"`+t.id+`"}`,
				`{"requestId":"`+uuid(c.w.rng)+`","_return":true,"groupId":"`+t.id+`"}`))
			c.remove(t)
			return t
		},
	},
}

// createTag sets the release tag of a thing of EC2 and returns its tags.
func (c *scene) createTag(t *thing, tags tagSet) tagSet {
	k, v := nextTag(c, tags)
	c.call(ec2Call("CreateTags", t.region,
		`{"resourcesSet":{"items":[{"resourceId":"`+t.id+`"}]},"tagSet":{"items":[{"key":"`+k+`","value":"`+v+`"}]}}`,
		`{"requestId":"`+uuid(c.w.rng)+`","_return":true}`))
	return tags.with(k, v)
}
