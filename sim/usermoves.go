package sim

import (
	"slices"
	"time"
)

// iamCall is a call on IAM. Its request names the user first.
func iamCall(name, request, response string) call {
	return call{source: iamSource, name: name, region: globalRegion, request: request, response: response}
}

func userCall(t *thing, name, more, response string) call {
	request := `{"userName":"` + t.id + `"`
	if more != "" {
		request += "," + more
	}
	return iamCall(name, request+"}", response)
}

func (c *scene) date() string { return c.now().Format(cloudTrailDate) }

var userMoves = []*move{
	{
		id: "user-password", title: "Give a user a password without MFA", kind: kindUser, bad: true, shown: true,
		policy: "IAMUserMfaDisabled", undo: "user-mfa", weight: 7, by: byPeople,
		able: able(func(_ *World, t *thing, s *userState) string {
			if s.hasPassword() {
				return "it has a password"
			}
			return unless(s.hasMFA(), "it has an MFA device")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			s.passwordAt, s.passwordUsed, s.resetAtLogin = c.now(), time.Time{}, true
			c.call(userCall(t, "CreateLoginProfile", `"passwordResetRequired":true`,
				`{"loginProfile":{"userName":"`+t.id+`","createDate":"`+c.date()+`","passwordResetRequired":true}}`))
			return s
		}),
	},
	{
		id: "user-password-delete", title: "Delete a user's password", kind: kindUser, shown: true,
		policy: "IAMUserMfaDisabled", weight: 2, by: byMenders,
		able: able(func(_ *World, t *thing, s *userState) string {
			if !s.hasPassword() {
				return "it has no password"
			}
			return unless(s.hasMFA(), "it has an MFA device: its password is nothing to mend")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			s.passwordAt, s.passwordUsed, s.resetAtLogin = time.Time{}, time.Time{}, false
			c.call(userCall(t, "DeleteLoginProfile", "", ""))
			return s
		}),
	},
	{
		id: "user-mfa-off", title: "Deactivate a user's MFA device", kind: kindUser, bad: true, shown: true,
		policy: "IAMUserMfaDisabled", undo: "user-mfa", weight: 5, by: byPeople,
		able: able(func(_ *World, t *thing, s *userState) string {
			if !s.hasPassword() {
				return "it has no password"
			}
			return unless(!s.hasMFA(), "it has no MFA device")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			s.mfaAt = time.Time{}
			c.call(userCall(t, "DeactivateMFADevice", `"serialNumber":"`+t.mfaARN()+`"`, ""))
			c.call(iamCall("DeleteVirtualMFADevice", `{"serialNumber":"`+t.mfaARN()+`"}`, ""))
			return s
		}),
	},
	{
		id: "user-mfa", title: "Enable an MFA device for a user", kind: kindUser, shown: true,
		policy: "IAMUserMfaDisabled", weight: 5, by: byPeople,
		able: able(func(_ *World, t *thing, s *userState) string {
			if !s.hasPassword() {
				return "it has no password to protect"
			}
			return unless(s.hasMFA(), "it has an MFA device already")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			s.mfaAt = c.now()
			c.call(iamCall("CreateVirtualMFADevice", `{"path":"/","virtualMFADeviceName":"`+t.id+`"}`,
				`{"virtualMFADevice":{"serialNumber":"`+t.mfaARN()+`"}}`))
			c.call(userCall(t, "EnableMFADevice", `"serialNumber":"`+t.mfaARN()+`"`, ""))
			return s
		}),
	},
	{
		id: "user-key-revive", title: "Reactivate a user's old access key", kind: kindUser, bad: true, shown: true,
		policy: "IAMAccessKeyNotRotated", undo: "user-key-off", weight: 5, by: byMany,
		able: able(func(w *World, t *thing, s *userState) string {
			return unless(s.oldKey(w.start, false) < 0, "it has no old access key that is inactive")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			k := &s.keys[s.oldKey(c.w.start, false)]
			k.active = true
			c.call(updateKey(t, k))
			return s
		}),
	},
	{
		// The policy on unused keys has the same bad move: an old key that nobody
		// used of late comes back.
		id: "user-key-unused", title: "Reactivate a user's forgotten access key", kind: kindUser, bad: true,
		policy: "IAMAccessKeyUnused", undo: "user-key-off", by: byPeople,
		able: able(func(w *World, t *thing, s *userState) string {
			i := s.oldKey(w.start, false)
			return unless(i < 0 || w.start.Sub(s.keys[i].used) <= keyTooOld, "it has no forgotten access key")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			k := &s.keys[s.oldKey(c.w.start, false)]
			k.active = true
			c.call(updateKey(t, k))
			return s
		}),
	},
	{
		id: "user-key-off", title: "Deactivate a user's old access keys", kind: kindUser, shown: true,
		policy: "IAMAccessKeyNotRotated", weight: 1, by: byMenders,
		able: able(func(w *World, t *thing, s *userState) string {
			return unless(s.oldKey(w.start, true) < 0, "it has no old access key that is active")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			for i := s.oldKey(c.w.start, true); i >= 0; i = s.oldKey(c.w.start, true) {
				s.keys[i].active = false
				c.call(updateKey(t, &s.keys[i]))
			}
			return s
		}),
	},
	{
		id: "user-key-rotate", title: "Rotate a user's old access keys", kind: kindUser, shown: true,
		policy: "IAMAccessKeyNotRotated", by: byMany,
		able: able(func(w *World, t *thing, s *userState) string {
			return unless(s.oldKey(w.start, true) < 0, "it has no old access key that is active")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			for i := s.oldKey(c.w.start, true); i >= 0; i = s.oldKey(c.w.start, true) {
				gone := s.keys[i].id
				s.keys[i] = c.w.newKey(c.now())
				c.call(userCall(t, "CreateAccessKey", "", newKeyAnswer(c, t, s.keys[i])))
				c.call(userCall(t, "DeleteAccessKey", `"accessKeyId":"`+gone+`"`, ""))
			}
			return s
		}),
	},
	{
		id: "user-key-add", title: "Create an access key for a user", kind: kindUser, weight: 3, load: true, by: byMany,
		able: able(func(_ *World, t *thing, s *userState) string {
			return unless(len(s.keys) >= 2, "it has two access keys, and IAM allows no more")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			key := c.w.newKey(c.now())
			s.keys = append(s.keys, key)
			c.call(userCall(t, "CreateAccessKey", "", newKeyAnswer(c, t, key)))
			return s
		}),
	},
	{
		id: "user-key-delete", title: "Delete a user's newest access key", kind: kindUser, weight: 2, load: true, by: byMany,
		able: able(func(w *World, t *thing, s *userState) string {
			return unless(len(s.keys) < 2 || s.keys[len(s.keys)-1].created.Before(w.start), "it has no second access key that is new")
		}),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			last := len(s.keys) - 1
			gone := s.keys[last].id
			s.keys = s.keys[:last]
			c.call(userCall(t, "DeleteAccessKey", `"accessKeyId":"`+gone+`"`, ""))
			return s
		}),
	},
	{
		id: "user-group", title: "Change a user's groups", kind: kindUser, weight: 4, load: true, by: byMany,
		able: able(func(*World, *thing, *userState) string { return "" }),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			group := pick(c.w.rng, groupNames)
			name := "AddUserToGroup"
			if i := slices.Index(s.groups, group); i >= 0 {
				name = "RemoveUserFromGroup"
				s.groups = slices.Delete(slices.Clone(s.groups), i, i+1)
			} else {
				s.groups = append(slices.Clone(s.groups), group)
			}
			c.call(iamCall(name, `{"groupName":"`+group+`","userName":"`+t.id+`"}`, ""))
			return s
		}),
	},
	{
		id: "user-policy", title: "Attach or detach one of AWS's policies", kind: kindUser, weight: 3, load: true, by: byMany,
		able: able(func(*World, *thing, *userState) string { return "" }),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			policy := pick(c.w.rng, awsPolicies)
			name := "AttachUserPolicy"
			if i := slices.Index(s.attached, policy); i >= 0 {
				name = "DetachUserPolicy"
				s.attached = slices.Delete(slices.Clone(s.attached), i, i+1)
			} else {
				s.attached = append(slices.Clone(s.attached), policy)
			}
			c.call(userCall(t, name, `"policyArn":"arn:aws:iam::aws:policy/`+policy+`"`, ""))
			return s
		}),
	},
	{
		id: "user-inline", title: "Set or delete a user's inline policy", kind: kindUser, weight: 1, load: true, by: byMany,
		able: able(func(*World, *thing, *userState) string { return "" }),
		do: change(func(c *scene, t *thing, old *userState) *userState {
			s := old.clone()
			s.inline = !s.inline
			if s.inline {
				c.call(userCall(t, "PutUserPolicy", `"policyName":"`+inlinePolicyName+`","policyDocument":`+string(appendQuoted(nil, inlinePolicy)), ""))
			} else {
				c.call(userCall(t, "DeleteUserPolicy", `"policyName":"`+inlinePolicyName+`"`, ""))
			}
			return s
		}),
	},
	{
		id: "user-create", title: "Create a user with an access key", kind: kindUser, birth: true, weight: 2, by: byPipelines,
		do: func(c *scene, _ *thing) *thing {
			w, a := c.w, c.account
			name := w.newUserName(a, "svc-"+pick(w.rng, a.apps)+"-"+pick(w.rng, serviceUsers))
			s := &userState{path: servicePath, tags: w.appTags(a, a.apps[0])}
			t := w.addUser(a, name, c.now(), s, c.at)
			tags := eventTags(s.tags, "key", "value")
			c.call(iamCall("CreateUser", `{"userName":"`+name+`","path":"`+s.path+`","tags":`+tags+`}`,
				`{"user":{"path":"`+s.path+`","userName":"`+name+`","userId":"`+t.userID()+`","arn":"`+t.arn+`","createDate":"`+c.date()+`","tags":`+tags+`}}`))
			s.keys = []accessKey{w.newKey(c.now())}
			c.call(userCall(t, "CreateAccessKey", "", newKeyAnswer(c, t, s.keys[0])))
			return c.made(t)
		},
	},
	{
		id: "user-delete", title: "Delete a user made here", kind: kindUser, weight: 2, by: byPipelines,
		able: able(func(_ *World, t *thing, _ *userState) string {
			return unless(!t.passing, "somebody works with it")
		}),
		do: func(c *scene, t *thing) *thing {
			// IAM deletes a user only once it has nothing left.
			s := t.now.(*userState)
			for _, k := range s.keys {
				c.call(userCall(t, "DeleteAccessKey", `"accessKeyId":"`+k.id+`"`, ""))
			}
			for _, g := range s.groups {
				c.call(iamCall("RemoveUserFromGroup", `{"groupName":"`+g+`","userName":"`+t.id+`"}`, ""))
			}
			for _, p := range s.attached {
				c.call(userCall(t, "DetachUserPolicy", `"policyArn":"arn:aws:iam::aws:policy/`+p+`"`, ""))
			}
			if s.inline {
				c.call(userCall(t, "DeleteUserPolicy", `"policyName":"`+inlinePolicyName+`"`, ""))
			}
			if s.hasPassword() {
				c.call(userCall(t, "DeleteLoginProfile", "", ""))
			}
			if s.hasMFA() {
				c.call(userCall(t, "DeactivateMFADevice", `"serialNumber":"`+t.mfaARN()+`"`, ""))
			}
			c.call(userCall(t, "DeleteUser", "", ""))
			c.remove(t)
			return t
		},
	},
}

// oldKey is the place of a key older than a hundred days at the start of the
// world; -1 if there is none. The margin keeps a world that runs for days
// from having keys of just the age that counts.
func (s *userState) oldKey(start time.Time, active bool) int {
	return slices.IndexFunc(s.keys, func(k accessKey) bool {
		return k.active == active && start.Sub(k.created) > keyTooOld+10*24*time.Hour
	})
}

func updateKey(t *thing, k *accessKey) call {
	return userCall(t, "UpdateAccessKey", `"accessKeyId":"`+k.id+`","status":"`+keyStatus(k.active)+`"`, "")
}

func newKeyAnswer(c *scene, t *thing, k accessKey) string {
	return `{"accessKey":{"userName":"` + t.id + `","accessKeyId":"` + k.id + `","status":"Active","createDate":"` + c.date() + `"}}`
}
