package sim

import "time"

// accountCall is a call on the account's own Block Public Access. The API is
// S3 Control's; CloudTrail writes S3's source and "Account" into the name.
func accountCall(t *thing, name, body string) call {
	request := `{"publicAccessBlock":"","Host":"` + controlHost(t.account) + `"`
	if body != "" {
		request += "," + body
	}
	return call{source: s3Source, name: name, region: globalRegion, request: request + "}"}
}

var accountMoves = []*move{
	{
		id: "account-unblock", title: "Remove an account's public access block", kind: kindAccount, bad: true,
		undo: "account-block", weight: 1, by: byPeople,
		able: able(func(_ *World, t *thing, s *accountState) string {
			return unless(!s.block.has(blockSet), "it has no public access block")
		}),
		do: change(func(c *scene, t *thing, old *accountState) *accountState {
			s := *old
			s.block = 0
			c.call(accountCall(t, "DeleteAccountPublicAccessBlock", ""))
			return &s
		}),
	},
	{
		id: "account-block", title: "Block public access for a whole account", kind: kindAccount, by: byMenders,
		able: able(func(_ *World, t *thing, s *accountState) string {
			return unless(s.block.has(blockAll), "it blocks public access already")
		}),
		do: change(func(c *scene, t *thing, old *accountState) *accountState {
			s := *old
			s.block = blockSet | blockAll
			c.call(accountCall(t, "PutAccountPublicAccessBlock", blockBody(s.block)))
			return &s
		}),
	},
	{
		id: "root-login", title: "Sign in as root", kind: kindAccount, bad: true, shown: true,
		policy: "IAMRootAccountActive", weight: 1, by: byRoot,
		able: able(func(w *World, t *thing, s *accountState) string {
			return unless(!w.rootInUse(t.account), "its root password is locked away")
		}),
		do: change(func(c *scene, t *thing, old *accountState) *accountState {
			s := *old
			s.rootLogin = c.now()
			c.call(call{source: signinSource, name: "ConsoleLogin", region: globalRegion, response: `{"ConsoleLogin":"Success"}`})
			return &s
		}),
	},
	{
		id: "root-key", title: "Create an access key for root", kind: kindAccount, bad: true, shown: true,
		policy: "IAMRootAccountActive", undo: "root-key-delete", weight: 2, by: byRoot,
		able: able(func(_ *World, t *thing, s *accountState) string {
			return unless(s.rootKey, "root has an access key already")
		}),
		best: rootQuiet,
		// The password's last use stays as it was: the credential report, which
		// tells it, is made once in four hours at the most. Source: the IAM user
		// guide, "Generate credential reports".
		do: change(func(c *scene, t *thing, old *accountState) *accountState {
			s := *old
			s.rootKey, s.rootKeySince, s.rootKeyUsed = true, c.now(), time.Time{}
			c.call(call{
				source: iamSource, name: "CreateAccessKey", region: globalRegion,
				response: `{"accessKey":{"accessKeyId":"` + t.rootKeyID() + `","status":"Active","createDate":"` + c.now().Format(cloudTrailDate) + `"}}`,
			})
			return &s
		}),
	},
	{
		id: "root-key-delete", title: "Delete root's access key", kind: kindAccount, shown: true,
		policy: "IAMRootAccountActive", weight: 1, by: byRoot,
		able: able(func(_ *World, t *thing, s *accountState) string {
			return unless(!s.rootKey, "root has no access key")
		}),
		best: rootQuiet,
		do: change(func(c *scene, t *thing, old *accountState) *accountState {
			s := *old
			s.rootKey, s.rootKeyUsed = false, time.Time{}
			c.call(call{source: iamSource, name: "DeleteAccessKey", region: globalRegion, request: `{"accessKeyId":"` + t.rootKeyID() + `"}`})
			return &s
		}),
	},
	{
		id: "passwords-weaken", title: "Delete an account's password policy", kind: kindAccount, weight: 1, by: byPeople,
		able: able(func(_ *World, t *thing, s *accountState) string {
			return unless(s.passwords == passwordsAnyhow, "it has no password policy")
		}),
		do: change(func(c *scene, t *thing, old *accountState) *accountState {
			s := *old
			s.passwords = passwordsAnyhow
			c.call(call{source: iamSource, name: "DeleteAccountPasswordPolicy", region: globalRegion})
			return &s
		}),
	},
	{
		id: "passwords-strengthen", title: "Set a strong password policy", kind: kindAccount, weight: 2, by: byPipelines,
		able: able(func(_ *World, t *thing, s *accountState) string {
			return unless(s.passwords == passwordsStrong, "its password policy is strong already")
		}),
		do: change(func(c *scene, t *thing, old *accountState) *accountState {
			s := *old
			s.passwords = passwordsStrong
			c.call(call{
				source: iamSource, name: "UpdateAccountPasswordPolicy", region: globalRegion,
				request: `{"minimumPasswordLength":14,"requireSymbols":true,"requireNumbers":true,"requireUppercaseCharacters":true,"requireLowercaseCharacters":true,` +
					`"allowUsersToChangePassword":true,"maxPasswordAge":90,"passwordReusePrevention":24,"hardExpiry":false}`,
			})
			return &s
		}),
	},
}

// rootQuiet: no other use of root keeps the finding open, so that the key
// alone opens and resolves it.
func rootQuiet(w *World, t *thing) bool {
	s := t.now.(*accountState)
	recent := func(at time.Time) bool { return !at.IsZero() && w.start.Sub(at) < rootActiveFor }
	return !recent(s.rootLogin) && !recent(s.rootKeyUsed)
}

func (t *thing) rootKeyID() string { return uniqueID("AKIA", mix(t.hash^11), 16) }
