package sim

import (
	"fmt"
)

// blockFlags are the four Block Public Access settings, of a bucket or of an
// account, and whether there are any.
type blockFlags uint8

const (
	blockPublicACLs blockFlags = 1 << iota
	ignorePublicACLs
	blockPublicPolicy
	restrictPublicBuckets
	blockSet // there is a configuration; without it the call says "no such"

	blockAll = blockPublicACLs | ignorePublicACLs | blockPublicPolicy | restrictPublicBuckets
)

func (b blockFlags) has(f blockFlags) bool { return b&f == f }

func (b blockFlags) write(w *writer) {
	w.bool("BlockPublicAcls", b.has(blockPublicACLs))
	w.bool("IgnorePublicAcls", b.has(ignorePublicACLs))
	w.bool("BlockPublicPolicy", b.has(blockPublicPolicy))
	w.bool("RestrictPublicBuckets", b.has(restrictPublicBuckets))
}

// bucketPolicy is which policy a bucket has.
type bucketPolicy uint8

const (
	policyNone    bucketPolicy = iota
	policyTLS                  // denies requests without TLS: everybody is named, nobody is let in
	policyCDN                  // CloudFront alone may read, through origin access control
	policyOrg                  // everybody of the organisation may read
	policyTrail                // CloudTrail writes its log files here
	policyPublic               // anyone may read
	policyDropBox              // anyone may read and write
)

func (p bucketPolicy) public() bool { return p >= policyPublic }

// organisationID is of AWS Organizations.
const organisationID = "o-4h7q2halden"

// json is the text of the policy on a bucket.
func (p bucketPolicy) json(bucket, account string) string {
	const open = `{"Version":"2012-10-17","Statement":[`
	tls := `{"Sid":"DenyInsecureTransport","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::` + bucket +
		`","arn:aws:s3:::` + bucket + `/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
	objects := `"Resource":"arn:aws:s3:::` + bucket + `/*"`
	switch p {
	case policyTLS:
		return open + tls + `]}`
	case policyCDN:
		return open + tls + `,{"Sid":"AllowCloudFront","Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3:GetObject",` +
			objects + `,"Condition":{"StringEquals":{"AWS:SourceArn":"arn:aws:cloudfront::` + account + `:distribution/E2QWRUHAPOMQZL"}}}]}`
	case policyOrg:
		return open + `{"Sid":"ReadInOrganisation","Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::` +
			bucket + `","arn:aws:s3:::` + bucket + `/*"],"Condition":{"StringEquals":{"aws:PrincipalOrgID":"` + organisationID + `"}}},` + tls + `]}`
	case policyTrail:
		return open + `{"Sid":"AWSCloudTrailAclCheck","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::` +
			bucket + `"},{"Sid":"AWSCloudTrailWrite","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::` +
			bucket + `/AWSLogs/` + account + `/*","Condition":{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}}]}`
	case policyPublic:
		return open + tls + `,{"Sid":"PublicRead","Effect":"Allow","Principal":"*","Action":"s3:GetObject",` + objects + `}]}`
	case policyDropBox:
		return open + `{"Sid":"PartnerUpload","Effect":"Allow","Principal":{"AWS":"*"},"Action":["s3:GetObject","s3:PutObject"],` + objects + `}]}`
	}
	return ""
}

// bucketACL is a canned access control list.
type bucketACL uint8

const (
	aclPrivate bucketACL = iota
	aclLogDelivery
	aclAuthenticated // everybody with any AWS account
	aclPublic
)

func (a bucketACL) public() bool { return a >= aclAuthenticated }

// canned is the x-amz-acl header that sets it.
func (a bucketACL) canned() string {
	return [...]string{"private", "log-delivery-write", "authenticated-read", "public-read"}[a]
}

// versioning of a bucket; a bucket that never had it has none of the two.
type versioning uint8

const (
	neverVersioned versioning = iota
	versioned
	suspendedVersions
)

func (v versioning) status() string { return [...]string{"", "Enabled", "Suspended"}[v] }

// encryption is the default encryption of a bucket.
type encryption uint8

const (
	// encryptedNot is a bucket without a default encryption. AWS gives every
	// bucket one since January 2023; the simulation keeps the older state, or
	// the policy that looks for it would never have anything to find.
	encryptedNot encryption = iota
	encryptedS3
	encryptedKMS
)

type bucketState struct {
	block      blockFlags
	policy     bucketPolicy
	acl        bucketACL
	owns       bool // BucketOwnerEnforced: access control lists are off
	versions   versioning
	mfaDelete  bool
	encryption encryption
	logs       string // the bucket that takes the access log; empty if none
	tags       tagSet
}

// effective is the union of the settings of the bucket and of its account:
// a flag is on if either sets it.
func (s *bucketState) effective(a *accountState) blockFlags { return s.block | a.block }

// public reports whether anyone on the internet may use the bucket: a policy
// or an access control list admits everyone, and no setting cancels it.
func (s *bucketState) public(a *accountState) bool {
	return s.publicBy(a, true, true)
}

func (s *bucketState) publicBy(a *accountState, byPolicy, byACL bool) bool {
	block := s.effective(a)
	return byPolicy && s.policy.public() && !block.has(restrictPublicBuckets) ||
		byACL && s.acl.public() && !block.has(ignorePublicACLs)
}

func (s *bucketState) failing(c judgement, fail func(string)) {
	if c.sees("PublicAccessBlock", "AccountPublicAccessBlock") {
		// AWS's own judgement of the policy tells as much as the policy.
		policy := c.sees("Policy") || c.sees("PolicyStatus")
		if s.publicBy(c.account, policy, c.sees("Acl", "OwnershipControls")) {
			fail("S3BucketPublic")
		}
		if !s.effective(c.account).has(blockAll) {
			fail("S3BucketPublicAccessBlockDisabled")
		}
	}
	if c.sees("Versioning") {
		if s.versions != versioned {
			fail("S3BucketVersioningDisabled")
		} else if !s.mfaDelete {
			fail("S3BucketMfaDeleteDisabled")
		}
	}
	if c.sees("Encryption") && s.encryption == encryptedNot {
		fail("S3BucketEncryptionDisabled")
	}
}

func (s *bucketState) write(d *document) {
	t := d.t
	if d.member("Location") {
		d.object("Location")
		location := t.region
		if location == globalRegion {
			location = "" // the oldest Region is the one without a constraint
		}
		d.text("LocationConstraint", location)
		d.end()
	}
	if d.member("PublicAccessBlock") && s.block.has(blockSet) {
		d.object("PublicAccessBlock")
		s.block.write(&d.writer)
		d.end()
	}
	if d.member("AccountPublicAccessBlock") && d.account.block.has(blockSet) {
		d.object("AccountPublicAccessBlock")
		d.account.block.write(&d.writer)
		d.end()
	}
	if d.member("PolicyStatus") && s.policy != policyNone {
		d.object("PolicyStatus")
		d.bool("IsPublic", s.policy.public())
		d.end()
	}
	if d.member("Policy") && s.policy != policyNone {
		d.raw("Policy", s.policy.json(t.id, t.account.ID))
	}
	if d.member("Acl") {
		s.writeACL(d)
	}
	if d.member("OwnershipControls") {
		ownership := "BucketOwnerPreferred"
		if s.owns {
			ownership = "BucketOwnerEnforced"
		}
		d.raw("OwnershipControls", `{"Rules":[{"ObjectOwnership":"`+ownership+`"}]}`)
	}
	if d.member("Versioning") {
		d.object("Versioning")
		if s.versions != neverVersioned {
			d.text("Status", s.versions.status())
			if s.mfaDelete {
				d.text("MFADelete", "Enabled")
			} else {
				d.text("MFADelete", "Disabled")
			}
		}
		d.end()
	}
	if d.member("Encryption") && s.encryption != encryptedNot {
		d.raw("Encryption", s.encryption.rules(t))
	}
	if d.member("Logging") && s.logs != "" {
		d.object("Logging")
		d.texts("TargetBucket", s.logs, "TargetPrefix", t.id+"/")
		d.end()
	}
	if d.member("Tags") {
		d.writeTags("Tags", s.tags)
	}
}

func (e encryption) rules(t *thing) string {
	if e == encryptedKMS {
		return `{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"` + t.account.keyARN(t.region) + `"},"BucketKeyEnabled":true}]}`
	}
	return `{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BucketKeyEnabled":false}]}`
}

// Groups of access control lists. Source: the Amazon S3 user guide, "Access
// control list overview".
const (
	allUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	authenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	logDelivery        = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

func (s *bucketState) writeACL(d *document) {
	owner := d.t.account.canonicalID()
	d.object("Acl")
	d.object("Owner")
	d.text("ID", owner)
	d.end()
	d.array("Grants")
	grant := func(granteeType, name, value, permission string) {
		d.object("")
		d.object("Grantee")
		d.texts("Type", granteeType, name, value)
		d.end()
		d.text("Permission", permission)
		d.end()
	}
	grant("CanonicalUser", "ID", owner, "FULL_CONTROL")
	switch s.acl {
	case aclPublic:
		grant("Group", "URI", allUsers, "READ")
	case aclAuthenticated:
		grant("Group", "URI", authenticatedUsers, "READ")
	case aclLogDelivery:
		grant("Group", "URI", logDelivery, "WRITE")
		grant("Group", "URI", logDelivery, "READ_ACP")
	}
	d.endArray()
	d.end()
}

// canonicalID is the 64 hex digits by which S3 knows an account.
func (a *account) canonicalID() string {
	var b [64]byte
	h := a.hash
	for i := range 4 {
		h = mix(h)
		appendHex(b[:16*i], h, 16)
	}
	return string(b[:])
}

// keyARN is the key that an account encrypts with in a Region.
func (a *account) keyARN(region string) string {
	h := mix(a.hash ^ hashText(region))
	return fmt.Sprintf("arn:aws:kms:%s:%s:key/%08x-%04x-4%03x-a%03x-%012x",
		region, a.ID, h>>32, h>>16&0xffff, h&0xfff, mix(h)&0xfff, mix(h)>>16)
}

var bucketPurposes = []string{"uploads", "exports", "backups", "assets", "raw", "artifacts", "reports", "archive", "media", "models"}

func (w *World) newBucketName(a *account, app string) string {
	name := organisation + "-" + app + "-" + pick(w.rng, bucketPurposes) + "-" + a.env
	for w.bucketNames[name] {
		name = fmt.Sprintf("%s-%s-%s-%s-%04x", organisation, app, pick(w.rng, bucketPurposes), a.env, w.rng.Uint32()&0xffff)
	}
	w.bucketNames[name] = true
	return name
}

func (w *World) seedBucket(a *account) {
	app := pick(w.rng, a.apps)
	bad := func(p float64) bool { return often(w.rng, p*a.careless) }
	s := &bucketState{block: blockSet | blockAll, policy: policyTLS, owns: true, versions: versioned, mfaDelete: true, encryption: encryptedS3}
	s.tags = w.appTags(a, app)
	switch r := w.rng.Float64(); {
	case r < 0.25:
		s.policy = policyNone
	case r < 0.35:
		s.policy = policyCDN
	case r < 0.45:
		s.policy = policyOrg
	}
	if often(w.rng, 0.4) {
		s.encryption = encryptedKMS
	}
	if often(w.rng, 0.3) {
		s.logs = organisation + "-access-logs-" + a.Name
	}
	if bad(0.07) {
		s.block = pick(w.rng, []blockFlags{0, blockSet, blockSet | blockPublicACLs | ignorePublicACLs})
		if often(w.rng, 0.3) {
			s.policy = pick(w.rng, []bucketPolicy{policyPublic, policyPublic, policyDropBox})
		}
	}
	if bad(0.08) {
		s.owns = false
		s.acl = pick(w.rng, []bucketACL{aclPrivate, aclLogDelivery, aclPublic, aclAuthenticated})
	}
	if bad(0.14) {
		s.versions, s.mfaDelete = pick(w.rng, []versioning{neverVersioned, neverVersioned, suspendedVersions}), false
	}
	if bad(0.16) {
		s.mfaDelete = false
	}
	if len(w.byKind[kindBucket]) < 2 {
		// No actor turns MFA delete off, for only root can. So the first buckets
		// lack it whatever the dice say: a small world has something of everything.
		s.versions, s.mfaDelete = versioned, false
	}
	if bad(0.02) {
		s.encryption = encryptedNot
	}
	w.add(&thing{kind: kindBucket, account: a, region: pick(w.rng, a.Regions), id: w.newBucketName(a, app), born: w.past(1500)}, s, w.start)
}
