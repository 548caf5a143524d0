package sim

const s3Namespace = `"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/"`

// bucketCall is a call on a bucket. S3 logs the subresource as a member with
// an empty text, and the body under the name of its XML element.
func bucketCall(t *thing, name, subresource, body string) call {
	request := `{"bucketName":"` + t.id + `","Host":"` + bucketHost(t.id, t.region) + `"`
	if subresource != "" {
		request += `,"` + subresource + `":""`
	}
	if body != "" {
		request += "," + body
	}
	return call{source: s3Source, name: name, region: t.region, request: request + "}", bucket: t.id}
}

func putPolicy(t *thing, p bucketPolicy) call {
	return bucketCall(t, "PutBucketPolicy", "policy", `"bucketPolicy":`+p.json(t.id, t.account.ID))
}

// accountBlockOf is the account's own setting as it is now.
func accountBlockOf(t *thing) blockFlags {
	if s, ok := t.account.self.now.(*accountState); ok {
		return s.block
	}
	return 0
}

func (w *World) publicNow(t *thing, s *bucketState) bool {
	a, ok := t.account.self.now.(*accountState)
	return ok && s.public(a)
}

// blockBody is the body of the two calls that set Block Public Access.
func blockBody(b blockFlags) string {
	w := &writer{}
	w.object("")
	b.write(w)
	w.end()
	return `"PublicAccessBlockConfiguration":{` + s3Namespace + `,` + string(w.b[1:])
}

const refusedByAccount = "its account blocks public access, and S3 would refuse it: remove the account's block first"

var bucketMoves = []*move{
	{
		id: "bucket-public", title: "Make a bucket public by policy", kind: kindBucket, bad: true, shown: true,
		policy: "S3BucketPublic", undo: "bucket-private", weight: 10, by: byMany,
		able: able(func(w *World, t *thing, s *bucketState) string {
			if w.publicNow(t, s) {
				return "it is public already"
			}
			return unless(accountBlockOf(t)&(blockPublicPolicy|restrictPublicBuckets) != 0, refusedByAccount)
		}),
		// A bucket without a block of its own takes one call, so that the cause
		// of the finding is certain.
		best: func(_ *World, t *thing) bool {
			return t.now.(*bucketState).block&(blockPublicPolicy|restrictPublicBuckets) == 0
		},
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			if s.block&(blockPublicPolicy|restrictPublicBuckets) != 0 {
				c.call(bucketCall(t, "DeleteBucketPublicAccessBlock", "publicAccessBlock", ""))
				s.block = 0
			}
			s.policy = policyPublic
			c.call(putPolicy(t, s.policy))
			return &s
		}),
	},
	{
		id: "bucket-private", title: "Make a public bucket private", kind: kindBucket, shown: true,
		policy: "S3BucketPublic", weight: 10, by: byMenders,
		able: able(func(w *World, t *thing, s *bucketState) string {
			return unless(!w.publicNow(t, s), "it is not public")
		}),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			if s.policy.public() {
				s.policy = policyTLS
				c.call(putPolicy(t, s.policy))
			}
			if s.acl.public() {
				s.acl = aclPrivate
				c.call(bucketCall(t, "PutBucketAcl", "acl", `"x-amz-acl":"private"`))
			}
			return &s
		}),
	},
	{
		id: "bucket-public-acl", title: "Make a bucket public by ACL", kind: kindBucket, bad: true,
		policy: "S3BucketPublic", undo: "bucket-private", weight: 3, by: byPeople,
		able: able(func(w *World, t *thing, s *bucketState) string {
			if w.publicNow(t, s) || s.acl.public() {
				return "it is public already"
			}
			if s.owns {
				return "its access control lists are off"
			}
			return unless((s.block|accountBlockOf(t))&(blockPublicACLs|ignorePublicACLs) != 0, "public access control lists are blocked")
		}),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.acl = pick(c.w.rng, []bucketACL{aclPublic, aclPublic, aclAuthenticated})
			c.call(bucketCall(t, "PutBucketAcl", "acl", `"x-amz-acl":"`+s.acl.canned()+`"`))
			return &s
		}),
	},
	{
		id: "bucket-unblock", title: "Remove a bucket's public access block", kind: kindBucket, bad: true, shown: true,
		policy: "S3BucketPublicAccessBlockDisabled", undo: "bucket-block", weight: 10, by: byMany,
		able: able(func(_ *World, t *thing, s *bucketState) string {
			if !s.block.has(blockSet) {
				return "it has no public access block"
			}
			return unless(accountBlockOf(t).has(blockAll), "its account's block stays in force: remove the account's block first")
		}),
		best: func(_ *World, t *thing) bool { return t.now.(*bucketState).block.has(blockAll) },
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.block = 0
			c.call(bucketCall(t, "DeleteBucketPublicAccessBlock", "publicAccessBlock", ""))
			return &s
		}),
	},
	{
		id: "bucket-block", title: "Restore a bucket's public access block", kind: kindBucket, shown: true,
		policy: "S3BucketPublicAccessBlockDisabled", weight: 5, by: byMenders,
		able: able(func(_ *World, t *thing, s *bucketState) string {
			return unless((s.block | accountBlockOf(t)).has(blockAll), "public access is blocked already")
		}),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.block = blockSet | blockAll
			c.call(bucketCall(t, "PutBucketPublicAccessBlock", "publicAccessBlock", blockBody(s.block)))
			return &s
		}),
	},
	{
		id: "bucket-versioning-off", title: "Suspend a bucket's versioning", kind: kindBucket, bad: true, shown: true, load: true,
		policy: "S3BucketVersioningDisabled", undo: "bucket-versioning-on", weight: 6, by: byMany,
		able: able(func(_ *World, _ *thing, s *bucketState) string {
			if s.versions != versioned {
				return "it is not versioned"
			}
			// Only root, with its device at hand, may suspend it then.
			return unless(s.mfaDelete, "it has MFA delete")
		}),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.versions = suspendedVersions
			c.call(putVersioning(t, "Suspended"))
			return &s
		}),
	},
	{
		id: "bucket-versioning-on", title: "Turn on a bucket's versioning", kind: kindBucket, shown: true, load: true,
		policy: "S3BucketVersioningDisabled", weight: 1, by: byMenders,
		able: able(func(_ *World, _ *thing, s *bucketState) string {
			return unless(s.versions == versioned, "it is versioned already")
		}),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.versions = versioned
			c.call(putVersioning(t, "Enabled"))
			return &s
		}),
	},
	{
		id: "bucket-encryption-off", title: "Delete a bucket's default encryption", kind: kindBucket, bad: true, shown: true, load: true,
		policy: "S3BucketEncryptionDisabled", undo: "bucket-encryption-on", weight: 5, by: byMany,
		able: able(func(_ *World, _ *thing, s *bucketState) string {
			return unless(s.encryption == encryptedNot, "it has no default encryption")
		}),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.encryption = encryptedNot
			c.call(bucketCall(t, "DeleteBucketEncryption", "encryption", ""))
			return &s
		}),
	},
	{
		id: "bucket-encryption-on", title: "Set a bucket's default encryption", kind: kindBucket, shown: true, load: true,
		policy: "S3BucketEncryptionDisabled", weight: 6, by: byMenders,
		able: able(func(_ *World, _ *thing, s *bucketState) string {
			return unless(s.encryption != encryptedNot, "it has a default encryption already")
		}),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.encryption = pick(c.w.rng, []encryption{encryptedS3, encryptedKMS})
			c.call(putEncryption(t, s.encryption))
			return &s
		}),
	},
	{
		id: "bucket-tag", title: "Change a bucket's tags", kind: kindBucket, weight: 6, load: true, by: byPipelines,
		able: able(func(*World, *thing, *bucketState) string { return "" }),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			s.tags = s.tags.with(nextTag(c, s.tags))
			c.call(bucketCall(t, "PutBucketTagging", "tagging", `"Tagging":{`+s3Namespace+`,"TagSet":{"Tag":`+eventTags(s.tags, "Key", "Value")+`}}`))
			return &s
		}),
	},
	{
		id: "bucket-logging", title: "Turn a bucket's access log on or off", kind: kindBucket, weight: 2, by: byPipelines,
		able: able(func(*World, *thing, *bucketState) string { return "" }),
		do: change(func(c *scene, t *thing, old *bucketState) *bucketState {
			s := *old
			body := `"BucketLoggingStatus":{` + s3Namespace
			if s.logs == "" {
				s.logs = organisation + "-access-logs-" + t.account.Name
				body += `,"LoggingEnabled":{"TargetBucket":"` + s.logs + `","TargetPrefix":"` + t.id + `/"}`
			} else {
				s.logs = ""
			}
			c.call(bucketCall(t, "PutBucketLogging", "logging", body+"}"))
			return &s
		}),
	},
	{
		id: "bucket-create", title: "Create a bucket", kind: kindBucket, birth: true, weight: 4, by: byPipelines,
		do: func(c *scene, _ *thing) *thing {
			// Since April 2023 a new bucket blocks public access and has its access
			// control lists off, whoever creates it.
			s := &bucketState{block: blockSet | blockAll, owns: true, versions: versioned, encryption: encryptedKMS}
			t := c.newBucket(s)
			c.call(putVersioning(t, "Enabled"))
			c.call(putEncryption(t, s.encryption))
			s.tags = c.w.appTags(c.account, pick(c.w.rng, c.account.apps))
			c.call(bucketCall(t, "PutBucketTagging", "tagging", `"Tagging":{`+s3Namespace+`,"TagSet":{"Tag":`+eventTags(s.tags, "Key", "Value")+`}}`))
			return t
		},
	},
	{
		id: "bucket-create-bare", title: "Create a bucket without versioning", kind: kindBucket, birth: true, bad: true, shown: true,
		policy: "S3BucketVersioningDisabled", undo: "bucket-versioning-on", weight: 3, by: byPeople,
		do: func(c *scene, _ *thing) *thing {
			return c.newBucket(&bucketState{block: blockSet | blockAll, owns: true, encryption: encryptedS3})
		},
	},
	{
		id: "bucket-delete", title: "Delete a bucket made here", kind: kindBucket, weight: 2, by: byMany,
		able: able(func(_ *World, t *thing, _ *bucketState) string {
			return unless(!t.passing, "it holds objects")
		}),
		do: func(c *scene, t *thing) *thing {
			c.call(bucketCall(t, "DeleteBucket", "", ""))
			c.remove(t)
			delete(c.w.bucketNames, t.id)
			return t
		},
	},
}

func (c *scene) newBucket(s *bucketState) *thing {
	a := c.account
	t := &thing{
		kind: kindBucket, account: a, region: pick(c.w.rng, a.Regions), born: c.now(),
		id: c.w.newBucketName(a, pick(c.w.rng, a.apps)),
	}
	body := ""
	if t.region != globalRegion {
		body = `"CreateBucketConfiguration":{` + s3Namespace + `,"LocationConstraint":"` + t.region + `"}`
	}
	c.call(bucketCall(t, "CreateBucket", "", body))
	return c.made(c.w.add(t, s, c.at))
}

func putVersioning(t *thing, status string) call {
	return bucketCall(t, "PutBucketVersioning", "versioning", `"VersioningConfiguration":{`+s3Namespace+`,"Status":"`+status+`"}`)
}

func putEncryption(t *thing, e encryption) call {
	by, key := `"SSEAlgorithm":"AES256"`, "false"
	if e == encryptedKMS {
		by, key = `"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"`+t.account.keyARN(t.region)+`"`, "true"
	}
	return bucketCall(t, "PutBucketEncryption", "encryption",
		`"ServerSideEncryptionConfiguration":{`+s3Namespace+`,"Rule":{"ApplyServerSideEncryptionByDefault":{`+by+`},"BucketKeyEnabled":`+key+`}}`)
}

// nextTag is a tag that changes often: which release the thing belongs to.
func nextTag(c *scene, old tagSet) (key, value string) {
	value = "r" + string(appendHex(nil, c.w.rng.Uint64(), 6))
	if old.get("release") == value {
		value += "b"
	}
	return "release", value
}

// eventTags writes tags as events spell them.
func eventTags(tags tagSet, key, value string) string {
	w := &writer{}
	w.array("")
	for _, t := range tags {
		w.object("")
		w.texts(key, t.key, value, t.value)
		w.end()
	}
	w.endArray()
	return string(w.b)
}
