package sim

import (
	"bytes"
	"time"
)

// cloudTrailDate is how CloudTrail writes times inside the answers of IAM and
// RDS.
const cloudTrailDate = "Jan 2, 2006 3:04:05 PM"

// call is one API call, to be recorded.
type call struct {
	source, name string
	region       string
	request      string // JSON of requestParameters; empty: null
	response     string // JSON of responseElements; empty: null
	readOnly     bool
	errorCode    string
	errorMessage string
	bucket       string // S3: the bucket that the record lists under resources
}

// service is the short name, as the command line spells it.
func (c *call) service() string {
	name := c.source[:len(c.source)-len(".amazonaws.com")]
	if name == "s3" {
		return "s3api"
	}
	return name
}

// version is the eventVersion that a service writes.
func (c *call) version() string {
	switch c.source {
	case s3Source:
		return "1.11"
	case ec2Source, iamSource:
		return "1.10"
	}
	return "1.08"
}

// Event sources.
const (
	s3Source     = "s3.amazonaws.com"
	iamSource    = "iam.amazonaws.com"
	ec2Source    = "ec2.amazonaws.com"
	rdsSource    = "rds.amazonaws.com"
	signinSource = "signin.amazonaws.com"
)

// event is one recorded call.
type event struct {
	account *account
	region  string
	id      string
	name    string
	at      time.Time // of the call, to the nanosecond; the record has the second
	record  []byte
}

// record writes the CloudTrail record of a call.
func (w *World) record(who actor, c *call, at time.Time) event {
	e := event{account: who.account, region: c.region, id: uuid(w.rng), name: c.name, at: at}
	at = at.UTC().Truncate(time.Second)
	request := uuid(w.rng)
	signin := c.source == signinSource
	buf := pages.Get().(*[]byte)
	defer pages.Put(buf)
	b := &writer{b: (*buf)[:0]}
	b.object("")
	b.text("eventVersion", c.version())
	who.writeIdentity(b, at, signin)
	b.time("eventTime", at)
	b.texts("eventSource", c.source, "eventName", c.name, "awsRegion", c.region)
	if who.tool == viaService {
		b.text("sourceIPAddress", who.service)
	} else {
		b.text("sourceIPAddress", who.ip)
	}
	agent := who.userAgent(c)
	if c.source == s3Source && who.tool != viaService {
		agent = "[" + agent + "]" // S3 alone brackets it
	}
	b.text("userAgent", agent)
	if c.errorCode != "" {
		b.texts("errorCode", c.errorCode, "errorMessage", c.errorMessage)
	}
	b.raw("requestParameters", orNull(c.request))
	b.raw("responseElements", orNull(c.response))
	if c.source == s3Source {
		request = uniqueID("", w.rng.Uint64(), 16)
		b.object("additionalEventData")
		b.texts("SignatureVersion", "SigV4", "CipherSuite", "TLS_AES_128_GCM_SHA256")
		b.int("bytesTransferredIn", int64(len(c.request)))
		b.texts("AuthenticationMethod", "AuthHeader", "x-amz-id-2", uniqueID("", w.rng.Uint64(), 24)+"/"+uniqueID("", w.rng.Uint64(), 24)+"=")
		b.int("bytesTransferredOut", 0)
		b.end()
	}
	if signin {
		b.object("additionalEventData")
		b.texts("LoginTo", "https://console.aws.amazon.com/console/home?hashArgs=%23&isauthcode=true", "MobileVersion", "No", "MFAUsed", yesNo(who.mfa))
		b.end()
	} else {
		b.text("requestID", request)
	}
	b.text("eventID", e.id)
	b.bool("readOnly", c.readOnly)
	if c.bucket != "" {
		b.array("resources")
		b.object("")
		b.texts("accountId", who.account.ID, "type", "AWS::S3::Bucket", "ARN", "arn:aws:s3:::"+c.bucket)
		b.end()
		b.endArray()
	}
	if signin {
		b.text("eventType", "AwsConsoleSignIn")
	} else {
		b.text("eventType", "AwsApiCall")
	}
	b.bool("managementEvent", true)
	b.texts("recipientAccountId", who.account.ID, "eventCategory", "Management")
	if who.tool != viaService {
		b.object("tlsDetails")
		b.texts("tlsVersion", "TLSv1.3", "cipherSuite", "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader", c.host(who.account))
		b.end()
	}
	if who.tool == viaConsole && !signin {
		b.text("sessionCredentialFromConsole", "true")
	}
	b.end()
	*buf = b.b
	e.record = bytes.Clone(b.b)
	return e
}

// host is the name that the client asked for.
func (c *call) host(a *account) string {
	switch {
	case c.source == iamSource:
		return iamSource
	case c.source == signinSource:
		return "signin.aws.amazon.com"
	case c.bucket != "":
		return bucketHost(c.bucket, c.region)
	case c.source == s3Source:
		return controlHost(a)
	}
	return c.source[:len(c.source)-len("amazonaws.com")] + c.region + ".amazonaws.com"
}

func bucketHost(bucket, region string) string { return bucket + ".s3." + region + ".amazonaws.com" }

// controlHost answers for the account's own settings of S3.
func controlHost(a *account) string { return a.ID + ".s3-control." + globalRegion + ".amazonaws.com" }

func orNull(json string) string {
	if json == "" {
		return "null"
	}
	return json
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

// writeIdentity writes userIdentity. A sign-in has no access key and no
// session yet.
func (who actor) writeIdentity(b *writer, at time.Time, signin bool) {
	a := who.account
	principal := who.principal()
	since := at.Add(-who.age).UTC().Truncate(time.Second)
	b.object("userIdentity")
	switch who.kind {
	case identityRoot:
		b.texts("type", "Root", "principalId", principal, "arn", "arn:aws:iam::"+a.ID+":root", "accountId", a.ID)
		if signin {
			b.text("accessKeyId", "")
			break
		}
		b.text("accessKeyId", sessionKey(principal, since))
		who.writeSession(b, since, "")
	case identityUser:
		b.texts("type", "IAMUser", "principalId", principal, "arn", "arn:aws:iam::"+a.ID+":user"+who.path+who.name, "accountId", a.ID)
		if !signin {
			b.text("accessKeyId", who.key)
		}
		b.text("userName", who.name)
	default:
		b.texts("type", "AssumedRole", "principalId", principal+":"+who.name,
			"arn", "arn:aws:sts::"+a.ID+":assumed-role/"+who.role+"/"+who.name, "accountId", a.ID)
		if who.tool != viaService {
			b.text("accessKeyId", sessionKey(principal+who.name, since))
		}
		who.writeSession(b, since, principal)
	}
	if who.service != "" {
		b.text("invokedBy", who.service)
	}
	b.end()
}

// sessionKey is the temporary access key of a session: the same for all of
// its calls.
func sessionKey(principal string, since time.Time) string {
	return uniqueID("ASIA", mix(hashText(principal)^uint64(since.Unix())), 16)
}

// writeSession writes sessionContext; issuer is the id of the role, empty for
// root, whose session has none.
func (who actor) writeSession(b *writer, since time.Time, issuer string) {
	a := who.account
	b.object("sessionContext")
	if issuer != "" {
		b.object("sessionIssuer")
		b.texts("type", "Role", "principalId", issuer, "arn", "arn:aws:iam::"+a.ID+":role"+who.path+who.role, "accountId", a.ID, "userName", who.role)
		b.end()
	}
	if who.provider != "" {
		b.object("webIdFederationData")
		b.text("federatedProvider", who.provider)
		b.raw("attributes", "{}")
		b.end()
	}
	b.object("attributes")
	b.time("creationDate", since)
	b.text("mfaAuthenticated", map[bool]string{true: "true", false: "false"}[who.mfa])
	b.end()
	b.end()
}
