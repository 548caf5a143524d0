package sim

import (
	"strconv"
	"time"
)

// statement is which document the default version of a customer's policy has.
type statement uint8

const (
	statementScoped statement = iota // a few actions on one application's resources
	statementReadOnly
	statementGuarded // everything, but only with a second factor: the condition saves it
	statementAdmin   // everything on everything
)

// json is the text of the document.
func (s statement) json(app, account string) string {
	const open = `{"Version":"2012-10-17","Statement":[`
	switch s {
	case statementReadOnly:
		return open + `{"Sid":"Look","Effect":"Allow","Action":["s3:Get*","s3:List*","ec2:Describe*","cloudwatch:Get*"],"Resource":"*"}]}`
	case statementGuarded:
		return open + `{"Sid":"BreakGlass","Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}`
	case statementAdmin:
		return open + `{"Sid":"Everything","Effect":"Allow","Action":"*:*","Resource":"*"}]}`
	}
	return open + `{"Sid":"Objects","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::` + organisation + `-` + app +
		`-*/*"},{"Sid":"Queue","Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:` + account + `:` + app + `-*"}]}`
}

type policyState struct {
	version  int // of the default version, from 1
	latest   int // the newest version; numbers are never given again
	document statement
	attached int
	changed  time.Time
	tags     tagSet
}

func (s *policyState) failing(c judgement, fail func(string)) {
	if c.sees("DefaultVersion") && s.document == statementAdmin {
		fail("IAMPolicyOverlyPermissive")
	}
}

func (s *policyState) write(d *document) {
	t := d.t
	if d.member("Policy") {
		d.object("Policy")
		d.texts("PolicyName", t.policyName(), "PolicyId", uniqueID("ANPA", t.hash, 17), "Arn", t.arn, "Path", "/",
			"DefaultVersionId", s.versionID())
		d.int("AttachmentCount", int64(s.attached))
		d.int("PermissionsBoundaryUsageCount", 0)
		d.bool("IsAttachable", true)
		d.time("CreateDate", t.born)
		d.time("UpdateDate", s.changed)
		d.writeTags("Tags", s.tags)
		d.end()
	}
	if d.member("DefaultVersion") {
		d.object("DefaultVersion")
		d.raw("Document", s.document.json(s.tags.get("application"), t.account.ID))
		d.text("VersionId", s.versionID())
		d.bool("IsDefaultVersion", true)
		d.time("CreateDate", s.changed)
		d.end()
	}
}

func (s *policyState) versionID() string { return "v" + strconv.Itoa(s.version) }

// policyName is the last part of the ARN; all policies lie under "/".
func (t *thing) policyName() string { return t.id[len("arn:aws:iam::123456789012:policy/"):] }

var policyPurposes = []string{"deploy", "read", "worker", "pipeline", "operator", "exporter", "scheduler", "break-glass", "migration"}

func (w *World) seedPolicy(a *account) {
	app := pick(w.rng, a.apps)
	born := w.past(1200)
	s := &policyState{version: 1 + w.rng.IntN(4), attached: w.rng.IntN(4), changed: born, tags: w.appTags(a, app)}
	if s.version > 1 {
		s.changed = born.Add(w.span(time.Minute, w.start.Sub(born)))
	}
	s.latest = s.version
	switch r := w.rng.Float64(); {
	case r < 0.2:
		s.document = statementReadOnly
	case r < 0.26:
		s.document = statementGuarded
	}
	if often(w.rng, 0.03*a.careless) {
		s.document = statementAdmin
	}
	w.addPolicy(a, w.newPolicyARN(a, app), born, s, w.start)
}

func (w *World) newPolicyARN(a *account, app string) string {
	base := "arn:aws:iam::" + a.ID + ":policy/" + app + "-" + pick(w.rng, policyPurposes)
	arn := base
	for n := 2; w.things[key{kind: kindPolicy, account: a.n, id: arn}] != nil; n++ {
		arn = base + "-" + strconv.Itoa(n)
	}
	return arn
}

func (w *World) addPolicy(a *account, arn string, born time.Time, s *policyState, at time.Time) *thing {
	return w.add(&thing{kind: kindPolicy, account: a, region: globalRegion, id: arn, arn: arn, born: born}, s, at)
}
