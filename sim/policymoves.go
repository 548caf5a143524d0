package sim

import "strconv"

// versionsAtMost is how many versions IAM keeps of a policy: the oldest has to
// go first. Source: the IAM user guide, "IAM and AWS STS quotas".
const versionsAtMost = 5

// newVersion gives a policy a new default version.
func newVersion(document statement) func(*scene, *thing) *thing {
	return change(func(c *scene, t *thing, old *policyState) *policyState {
		s := *old
		if s.latest >= versionsAtMost {
			oldest := s.latest - versionsAtMost + 1
			if oldest == s.version {
				oldest++
			}
			c.call(iamCall("DeletePolicyVersion", `{"policyArn":"`+t.arn+`","versionId":"v`+strconv.Itoa(oldest)+`"}`, ""))
		}
		s.latest++
		s.version, s.document, s.changed = s.latest, document, c.now()
		text := document.json(s.tags.get("application"), t.account.ID)
		c.call(iamCall("CreatePolicyVersion",
			`{"policyArn":"`+t.arn+`","policyDocument":`+string(appendQuoted(nil, text))+`,"setAsDefault":true}`,
			`{"policyVersion":{"versionId":"`+s.versionID()+`","isDefaultVersion":true,"createDate":"`+c.date()+`"}}`))
		return &s
	})
}

var policyMoves = []*move{
	{
		id: "policy-admin", title: "Make a policy allow everything", kind: kindPolicy, bad: true, shown: true, load: true,
		policy: "IAMPolicyOverlyPermissive", undo: "policy-scoped", weight: 7, by: byMany,
		able: able(func(_ *World, _ *thing, s *policyState) string {
			return unless(s.document == statementAdmin, "it allows everything already")
		}),
		do: newVersion(statementAdmin),
	},
	{
		id: "policy-scoped", title: "Scope a policy that allows everything", kind: kindPolicy, shown: true, load: true,
		policy: "IAMPolicyOverlyPermissive", weight: 6, by: byMenders,
		able: able(func(_ *World, _ *thing, s *policyState) string {
			return unless(s.document != statementAdmin, "it does not allow everything")
		}),
		do: newVersion(statementScoped),
	},
	{
		id: "policy-update", title: "Change what a policy allows", kind: kindPolicy, weight: 4, load: true, by: byPipelines,
		able: able(func(_ *World, _ *thing, s *policyState) string {
			return unless(s.document != statementScoped, "it is not scoped to an application")
		}),
		do: newVersion(statementReadOnly),
	},
	{
		id: "policy-back", title: "Set a policy back to its version before", kind: kindPolicy, weight: 2, by: byPipelines,
		able: able(func(_ *World, _ *thing, s *policyState) string {
			return unless(s.document != statementReadOnly || s.version < 2, "it has no version before")
		}),
		do: change(func(c *scene, t *thing, old *policyState) *policyState {
			s := *old
			s.version, s.document = s.version-1, statementScoped
			c.call(iamCall("SetDefaultPolicyVersion", `{"policyArn":"`+t.arn+`","versionId":"`+s.versionID()+`"}`, ""))
			return &s
		}),
	},
	{
		id: "policy-create", title: "Create a policy", kind: kindPolicy, birth: true, weight: 2, by: byPipelines,
		do: func(c *scene, _ *thing) *thing { return c.newPolicy(statementScoped) },
	},
	{
		id: "policy-create-admin", title: "Create a policy that allows everything", kind: kindPolicy, birth: true, bad: true,
		policy: "IAMPolicyOverlyPermissive", undo: "policy-delete", weight: 2, by: byPeople,
		do: func(c *scene, _ *thing) *thing { return c.newPolicy(statementAdmin) },
	},
	{
		id: "policy-delete", title: "Delete a policy made here", kind: kindPolicy, weight: 2, by: byPipelines,
		able: able(func(_ *World, t *thing, _ *policyState) string {
			return unless(!t.passing, "it is attached")
		}),
		do: func(c *scene, t *thing) *thing {
			s := t.now.(*policyState)
			for v := max(1, s.latest-versionsAtMost+1); v <= s.latest; v++ {
				if v == s.version {
					continue // the default goes with the policy
				}
				c.call(iamCall("DeletePolicyVersion", `{"policyArn":"`+t.arn+`","versionId":"v`+strconv.Itoa(v)+`"}`, ""))
			}
			c.call(iamCall("DeletePolicy", `{"policyArn":"`+t.arn+`"}`, ""))
			c.remove(t)
			return t
		},
	},
}

func (c *scene) newPolicy(document statement) *thing {
	w, a := c.w, c.account
	app := pick(w.rng, a.apps)
	s := &policyState{version: 1, latest: 1, document: document, changed: c.now(), tags: w.appTags(a, app)}
	t := w.addPolicy(a, w.newPolicyARN(a, app), c.now(), s, c.at)
	tags := eventTags(s.tags, "key", "value")
	c.call(iamCall("CreatePolicy",
		`{"policyName":"`+t.policyName()+`","policyDocument":`+string(appendQuoted(nil, document.json(app, a.ID)))+`,"tags":`+tags+`}`,
		`{"policy":{"policyName":"`+t.policyName()+`","policyId":"`+uniqueID("ANPA", t.hash, 17)+`","arn":"`+t.arn+`","path":"/","defaultVersionId":"v1",`+
			`"attachmentCount":0,"permissionsBoundaryUsageCount":0,"isAttachable":true,"createDate":"`+c.date()+`","updateDate":"`+c.date()+`","tags":`+tags+`}}`))
	return c.made(t)
}
