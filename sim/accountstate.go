package sim

import (
	"time"
)

// accountState is what belongs to an account as a whole.
type accountState struct {
	block        blockFlags
	rootMFA      bool
	rootKey      bool      // root has an access key
	rootKeySince time.Time // when it was made
	rootKeyUsed  time.Time // zero if never
	rootLogin    time.Time // zero if never
	passwords    passwordPolicy
}

// passwordPolicy of an account.
type passwordPolicy uint8

const (
	passwordsAnyhow passwordPolicy = iota // there is no policy
	passwordsWeak
	passwordsStrong
)

// rootActiveFor is how recent a use of root has to be to count.
const rootActiveFor = 30 * 24 * time.Hour

func (s *accountState) failing(c judgement, fail func(string)) {
	recent := func(t time.Time) bool { return !t.IsZero() && c.now.Sub(t) <= rootActiveFor }
	if c.sees("Summary") && s.rootKey || c.sees("RootCredentials") && (recent(s.rootLogin) || recent(s.rootKeyUsed)) {
		fail("IAMRootAccountActive")
	}
}

func (s *accountState) write(d *document) {
	t := d.t
	if d.member("Summary") {
		s.writeSummary(d)
	}
	if d.member("PasswordPolicy") && s.passwords != passwordsAnyhow {
		d.object("PasswordPolicy")
		s.passwords.write(&d.writer)
		d.end()
	}
	if d.member("PublicAccessBlock") && s.block.has(blockSet) {
		d.object("PublicAccessBlock")
		s.block.write(&d.writer)
		d.end()
	}
	if d.member("RootCredentials") {
		s.writeRoot(d, t)
	}
}

// writeSummary writes the SummaryMap of GetAccountSummary. The counts of the
// account's own things are left at what a new account has, but for root's.
func (s *accountState) writeSummary(d *document) {
	h := d.t.hash
	some := func(n int) int64 { return int64(mix(h+uint64(n))%uint64(n)) + 3 }
	d.object("Summary")
	d.int("AccessKeysPerUserQuota", 2)
	d.int("AccountAccessKeysPresent", one(s.rootKey))
	d.int("AccountMFAEnabled", one(s.rootMFA))
	d.int("AccountPasswordPresent", 1)
	d.int("AccountSigningCertificatesPresent", 0)
	d.int("AssumeRolePolicySizeQuota", 2048)
	d.int("AttachedPoliciesPerGroupQuota", 10)
	d.int("AttachedPoliciesPerRoleQuota", 10)
	d.int("AttachedPoliciesPerUserQuota", 10)
	d.int("GlobalEndpointTokenVersion", 1)
	d.int("GroupPolicySizeQuota", 5120)
	d.int("Groups", some(9))
	d.int("GroupsPerUserQuota", 10)
	d.int("GroupsQuota", 300)
	d.int("InstanceProfiles", some(24))
	d.int("InstanceProfilesQuota", 1000)
	d.int("MFADevices", some(21))
	d.int("MFADevicesInUse", some(20))
	d.int("Policies", some(40))
	d.int("PoliciesQuota", 1500)
	d.int("PolicySizeQuota", 6144)
	d.int("PolicyVersionsInUse", some(70))
	d.int("PolicyVersionsInUseQuota", 10000)
	d.int("Providers", 2)
	d.int("RolePolicySizeQuota", 10240)
	d.int("Roles", some(90))
	d.int("RolesQuota", 1000)
	d.int("ServerCertificates", 0)
	d.int("ServerCertificatesQuota", 20)
	d.int("SigningCertificatesPerUserQuota", 2)
	d.int("UserPolicySizeQuota", 2048)
	d.int("Users", some(30))
	d.int("UsersQuota", 5000)
	d.int("VersionsPerPolicyQuota", 5)
	d.end()
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (p passwordPolicy) write(w *writer) {
	strong := p == passwordsStrong
	length := int64(8)
	if strong {
		length = 14
	}
	w.int("MinimumPasswordLength", length)
	w.bool("RequireSymbols", strong)
	w.bool("RequireNumbers", true)
	w.bool("RequireUppercaseCharacters", strong)
	w.bool("RequireLowercaseCharacters", true)
	w.bool("AllowUsersToChangePassword", true)
	w.bool("ExpirePasswords", strong)
	if strong {
		w.int("MaxPasswordAge", 90)
		w.int("PasswordReusePrevention", 24)
		w.bool("HardExpiry", false)
	}
}

// writeRoot writes the <root_account> row of the credential report. Its times
// are RFC 3339 with a numeric zone, and its words are AWS's. Source: the IAM
// user guide, "Get credential reports for your AWS account".
func (s *accountState) writeRoot(d *document, t *thing) {
	when := func(at time.Time, never string) string {
		if at.IsZero() {
			return never
		}
		return at.UTC().Format("2006-01-02T15:04:05+00:00")
	}
	truth := func(b bool) string {
		if b {
			return "true"
		}
		return "false"
	}
	since, used, region, service := "N/A", "N/A", "N/A", "N/A"
	if s.rootKey {
		since = when(s.rootKeySince, "N/A")
		if !s.rootKeyUsed.IsZero() {
			used, region, service = when(s.rootKeyUsed, "N/A"), globalRegion, "s3"
		}
	}
	d.object("RootCredentials")
	d.texts(
		"user", "<root_account>",
		"arn", t.arn,
		"user_creation_time", when(t.born, ""),
		"password_enabled", "not_supported",
		"password_last_used", when(s.rootLogin, "no_information"),
		"password_last_changed", "not_supported",
		"password_next_rotation", "not_supported",
		"mfa_active", truth(s.rootMFA),
		"access_key_1_active", truth(s.rootKey),
		"access_key_1_last_rotated", since,
		"access_key_1_last_used_date", used,
		"access_key_1_last_used_region", region,
		"access_key_1_last_used_service", service,
		"access_key_2_active", "false",
		"access_key_2_last_rotated", "N/A",
		"access_key_2_last_used_date", "N/A",
		"access_key_2_last_used_region", "N/A",
		"access_key_2_last_used_service", "N/A",
		"cert_1_active", "false",
		"cert_1_last_rotated", "N/A",
		"cert_2_active", "false",
		"cert_2_last_rotated", "N/A",
	)
	d.end()
}

func (w *World) seedAccount(a *account) {
	s := &accountState{rootMFA: !often(w.rng, 0.1*a.careless), passwords: passwordsStrong}
	switch r := w.rng.Float64() * a.careless; {
	case r > 1.2:
		s.passwords = passwordsAnyhow
	case r > 0.6:
		s.passwords = passwordsWeak
	}
	// About half of the accounts rely on the account's own setting; the others
	// set it on each bucket.
	if a.careless < 1 && a.n%2 == 0 || a.OU == "/Security" {
		s.block = blockSet | blockAll
	}
	if often(w.rng, 0.7) {
		s.rootLogin = w.start.Add(-w.span(60*24*time.Hour, 900*24*time.Hour))
	}
	if w.rootInUse(a) && often(w.rng, 0.5) {
		s.rootLogin = w.start.Add(-w.span(time.Hour, 12*24*time.Hour))
	}
	a.self = w.add(&thing{kind: kindAccount, account: a, region: globalRegion, id: a.ID, born: w.start.Add(-w.span(1000*24*time.Hour, 2500*24*time.Hour))}, s, w.start)
}

// span draws a duration.
func (w *World) span(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64((most-least)/time.Second)))*time.Second
}

// past draws a moment up to so many days before the start of the world.
func (w *World) past(days int) time.Time {
	return w.start.Add(-w.span(time.Hour, time.Duration(days)*24*time.Hour))
}

// rootInUse: in a quarter of the accounts somebody still signs in as root now
// and then; in the others the password is locked away.
func (w *World) rootInUse(a *account) bool { return a.n%4 == 3 }
