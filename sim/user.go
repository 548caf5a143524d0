package sim

import (
	"slices"
	"time"
)

// keyTooOld is the age, and the idleness, past which an access key counts as
// not rotated, and as unused.
const keyTooOld = 90 * 24 * time.Hour

type accessKey struct {
	id      string
	active  bool
	created time.Time
	used    time.Time // zero if never
	service string    // where it was used last
}

type userState struct {
	path         string
	passwordAt   time.Time // when the password was set; zero if there is none
	passwordUsed time.Time
	resetAtLogin bool
	mfaAt        time.Time // when the device was enabled; zero if there is none
	keys         []accessKey
	attached     []string // names of AWS's own managed policies
	inline       bool     // has an inline policy of its own
	groups       []string
	tags         tagSet
}

func (s *userState) hasPassword() bool { return !s.passwordAt.IsZero() }
func (s *userState) hasMFA() bool      { return !s.mfaAt.IsZero() }

func (s *userState) failing(c judgement, fail func(string)) {
	if c.sees("LoginProfile", "MFADevices") && s.hasPassword() && !s.hasMFA() {
		fail("IAMUserMfaDisabled")
	}
	if !c.sees("AccessKeys") {
		return
	}
	var unused, old bool
	for _, k := range s.keys {
		if !k.active {
			continue
		}
		last := k.used
		if last.IsZero() {
			last = k.created
		}
		unused = unused || c.now.Sub(last) > keyTooOld
		old = old || c.now.Sub(k.created) > keyTooOld
	}
	if unused {
		fail("IAMAccessKeyUnused")
	}
	if old {
		fail("IAMAccessKeyNotRotated")
	}
}

func (s *userState) write(d *document) {
	t := d.t
	if d.member("User") {
		d.object("User")
		d.texts("Path", s.path, "UserName", t.id, "UserId", t.userID(), "Arn", t.arn)
		d.time("CreateDate", t.born)
		if !s.passwordUsed.IsZero() {
			d.time("PasswordLastUsed", s.passwordUsed)
		}
		d.writeTags("Tags", s.tags)
		d.end()
	}
	if d.member("LoginProfile") && s.hasPassword() {
		d.object("LoginProfile")
		d.text("UserName", t.id)
		d.time("CreateDate", s.passwordAt)
		d.bool("PasswordResetRequired", s.resetAtLogin)
		d.end()
	}
	if d.member("MFADevices") {
		d.array("MFADevices")
		if s.hasMFA() {
			d.object("")
			d.texts("UserName", t.id, "SerialNumber", t.mfaARN())
			d.time("EnableDate", s.mfaAt)
			d.end()
		}
		d.endArray()
	}
	if d.member("AccessKeys") {
		d.array("AccessKeys")
		for _, k := range s.keys {
			d.object("")
			d.texts("UserName", t.id, "AccessKeyId", k.id, "Status", keyStatus(k.active))
			d.time("CreateDate", k.created)
			d.object("LastUsed")
			if k.used.IsZero() {
				// AWS's words for a key that nobody has used.
				d.texts("ServiceName", "N/A", "Region", "N/A")
			} else {
				d.time("LastUsedDate", k.used)
				d.texts("ServiceName", k.service, "Region", t.account.Regions[0])
			}
			d.end()
			d.end()
		}
		d.endArray()
	}
	if d.member("AttachedPolicies") {
		d.array("AttachedPolicies")
		for _, name := range s.attached {
			d.object("")
			d.texts("PolicyName", name, "PolicyArn", "arn:aws:iam::aws:policy/"+name)
			d.end()
		}
		d.endArray()
	}
	if d.member("InlinePolicies") {
		d.array("InlinePolicies")
		if s.inline {
			d.object("")
			d.text("PolicyName", inlinePolicyName)
			d.raw("PolicyDocument", inlinePolicy)
			d.end()
		}
		d.endArray()
	}
	if d.member("Groups") {
		d.array("Groups")
		for _, g := range s.groups {
			d.object("")
			d.texts("Path", "/", "GroupName", g, "GroupId", uniqueID("AGPA", mix(hashText(g)^t.account.hash), 17),
				"Arn", "arn:aws:iam::"+t.account.ID+":group/"+g)
			d.time("CreateDate", t.account.self.born)
			d.end()
		}
		d.endArray()
	}
}

const (
	inlinePolicyName = "manage-own-credentials"
	inlinePolicy     = `{"Version":"2012-10-17","Statement":[{"Sid":"OwnCredentials","Effect":"Allow","Action":["iam:ChangePassword","iam:CreateVirtualMFADevice","iam:EnableMFADevice"],"Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::*:mfa/${aws:username}"]}]}`
)

func keyStatus(active bool) string {
	if active {
		return "Active"
	}
	return "Inactive"
}

func (t *thing) userID() string { return uniqueID("AIDA", t.hash, 17) }
func (t *thing) mfaARN() string { return "arn:aws:iam::" + t.account.ID + ":mfa/" + t.id }

func (s *userState) clone() *userState {
	c := *s
	c.keys = slices.Clone(s.keys)
	return &c
}

var (
	groupNames    = []string{"developers", "operators", "billing", "auditors", "administrators"}
	awsPolicies   = []string{"ReadOnlyAccess", "PowerUserAccess", "AmazonS3ReadOnlyAccess", "CloudWatchReadOnlyAccess", "AmazonEC2ReadOnlyAccess", "Billing"}
	keyServices   = []string{"s3", "ec2", "sts", "dynamodb", "ses", "ecr"}
	serviceUsers  = []string{"backup", "metrics", "deploy", "mailer", "importer", "sync", "partner", "exporter"}
	servicePath   = "/service/"
	personalPaths = []string{"/", "/", "/people/"}
)

// newKey makes an access key.
func (w *World) newKey(created time.Time) accessKey {
	return accessKey{id: uniqueID("AKIA", w.rng.Uint64(), 16), active: true, created: created}
}

func (w *World) seedUser(a *account) {
	bad := func(p float64) bool { return often(w.rng, p*a.careless) }
	born := w.past(1200)
	s := &userState{groups: []string{pick(w.rng, groupNames)}}
	if often(w.rng, 0.5) {
		s.attached = []string{pick(w.rng, awsPolicies)}
	}
	s.inline = often(w.rng, 0.25)
	name := ""
	// The first user has a key to revive, whatever the dice say: a small world
	// has something of everything.
	first := len(w.byKind[kindUser]) == 0
	if !first && often(w.rng, 0.5) { // a person
		s.path = pick(w.rng, personalPaths)
		name = w.newUserName(a, pick(w.rng, w.people).user())
		s.passwordAt = born.Add(w.span(time.Minute, time.Hour))
		s.passwordUsed = w.start.Add(-w.span(time.Hour, 40*24*time.Hour))
		if s.passwordUsed.Before(s.passwordAt) {
			s.passwordUsed = time.Time{}
		}
		if !bad(0.08) {
			s.mfaAt = s.passwordAt.Add(w.span(time.Minute, 5*time.Minute))
		}
		s.tags = tagSet{{"team", a.Tags["team"]}}
	} else {
		app := pick(w.rng, a.apps)
		s.path = servicePath
		name = w.newUserName(a, "svc-"+app+"-"+pick(w.rng, serviceUsers))
		s.tags = w.appTags(a, app)
	}
	if !s.hasPassword() || often(w.rng, 0.3) {
		key := w.newKey(w.start.Add(-w.span(24*time.Hour, 80*24*time.Hour)))
		if bad(0.12) {
			key.created = w.start.Add(-w.span(100*24*time.Hour, 900*24*time.Hour))
		}
		if key.created.Before(born) {
			born = key.created.Add(-time.Hour)
		}
		if !bad(0.04) && !key.created.Before(w.start.Add(-keyTooOld)) || !bad(0.3) {
			key.service = pick(w.rng, keyServices)
			key.used = w.start.Add(-w.span(time.Minute, 20*24*time.Hour))
			if key.used.Before(key.created) {
				key.used = key.created.Add(time.Hour)
			}
		}
		s.keys = []accessKey{key}
		if first || often(w.rng, 0.3) { // the key before it, switched off and forgotten
			old := w.newKey(w.start.Add(-w.span(300*24*time.Hour, 900*24*time.Hour)))
			old.active, old.service, old.used = false, pick(w.rng, keyServices), old.created.Add(100*24*time.Hour)
			if old.created.Before(born) {
				born = old.created.Add(-time.Hour)
			}
			s.keys = append(s.keys, old)
		}
	}
	w.addUser(a, name, born, s, w.start)
}

func (w *World) addUser(a *account, name string, born time.Time, s *userState, at time.Time) *thing {
	return w.add(&thing{
		kind: kindUser, account: a, region: globalRegion, id: name, born: born,
		arn: "arn:aws:iam::" + a.ID + ":user" + s.path + name,
	}, s, at)
}

// newUserName makes a name that the account has not.
func (w *World) newUserName(a *account, name string) string {
	for w.things[key{kind: kindUser, account: a.n, id: name}] != nil {
		name += string(rune('a' + w.rng.IntN(26)))
	}
	return name
}
