package policies

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPublicStatements(t *testing.T) {
	anyone := func(condition string) string {
		return `{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Condition": ` + condition + `}`
	}
	by := func(principal string) string {
		return `{"Effect": "Allow", "Principal": ` + principal + `, "Action": "s3:GetObject"}`
	}
	for _, test := range []struct {
		name, statement string
		want            bool
	}{
		{"everyone", by(`"*"`), true},
		{"everyone as AWS", by(`{"AWS": "*"}`), true},
		{"everyone in a list", by(`{"AWS": ["123456789012", "*"]}`), true},
		{"everyone as a canonical user", by(`{"CanonicalUser": "*"}`), true},
		{"one account", by(`{"AWS": "123456789012"}`), false},
		{"one role", by(`{"AWS": "arn:aws:iam::123456789012:role/web"}`), false},
		{"a role of any account", by(`{"AWS": "arn:aws:iam::*:role/web"}`), true},
		{"a service", by(`{"Service": "cloudtrail.amazonaws.com"}`), false},
		{"a provider of the web", by(`{"Federated": "graph.facebook.com"}`), true},
		{"a provider of the customer", by(`{"Federated": "arn:aws:iam::123456789012:saml-provider/corp"}`), false},
		{"everyone but one", `{"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}, "Action": "s3:GetObject"}`, true},
		{"denied", `{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}`, false},
		{"no principal", `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`, false},
		{"no condition after all", anyone(`{}`), true},

		{"fixed VPC", anyone(`{"StringEquals": {"aws:SourceVpc": "vpc-1"}}`), false},
		{"key in another case", anyone(`{"stringequals": {"AWS:sourcevpc": "vpc-1"}}`), false},
		{"fixed VPC endpoints", anyone(`{"StringLike": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}}`), false},
		{"VPC with a wildcard", anyone(`{"StringLike": {"aws:SourceVpc": "vpc-*"}}`), true},
		{"one of two VPCs with a wildcard", anyone(`{"StringLike": {"aws:SourceVpc": ["vpc-1", "vpc-?"]}}`), true},
		{"every VPC but one", anyone(`{"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}`), true},
		{"VPC if there is one", anyone(`{"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}`), true},
		{"any VPC at all", anyone(`{"Null": {"aws:SourceVpc": "false"}}`), true},
		{"no value", anyone(`{"StringEquals": {"aws:SourceVpc": []}}`), true},
		{"a policy variable", anyone(`{"StringEquals": {"aws:SourceVpc": "${aws:PrincipalTag/vpc}"}}`), true},
		{"organization", anyone(`{"StringEquals": {"aws:PrincipalOrgID": "o-1"}}`), false},
		{"any organization", anyone(`{"StringLike": {"aws:PrincipalOrgID": "o-*"}}`), true},
		{"any value of an organization", anyone(`{"ForAnyValue:StringEquals": {"aws:PrincipalOrgID": "o-1"}}`), false},
		{"all values of an organization, none too", anyone(`{"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}}`), true},
		{"organization's unit", anyone(`{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/r-1/ou-1/*"}}`), false},
		{"any organization's unit", anyone(`{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/r-1/*"}}`), true},
		{"account as a number", anyone(`{"StringEquals": {"aws:SourceAccount": 123456789012}}`), false},
		{"source ARN", anyone(`{"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:t"}}`), false},
		{"source ARN with a wildcard", anyone(`{"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:123456789012:t"}}`), true},
		{"user id", anyone(`{"StringEquals": {"aws:userid": "AIDAEXAMPLE"}}`), false},
		{"sessions of a role by user id", anyone(`{"StringLike": {"aws:userid": "AROAEXAMPLE:*"}}`), true},
		{"access points of an account", anyone(`{"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-west-2:123456789012:accesspoint/*"}}`), false},
		{"access points of any account", anyone(`{"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-west-2:*:accesspoint/web"}}`), true},
		{"account of access points", anyone(`{"StringEquals": {"s3:DataAccessPointAccount": "123456789012"}}`), false},
		{"account that calls KMS", anyone(`{"StringEquals": {"kms:CallerAccount": "123456789012"}}`), false},

		{"address", anyone(`{"IpAddress": {"aws:SourceIp": "192.0.2.1"}}`), false},
		{"block", anyone(`{"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32"]}}`), false},
		{"block at the limit", anyone(`{"IpAddress": {"aws:SourceIp": "12.0.0.0/8"}}`), false},
		{"block over the limit", anyone(`{"IpAddress": {"aws:SourceIp": "12.0.0.0/7"}}`), true},
		{"IPv6 block over the limit", anyone(`{"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}`), true},
		{"the whole internet", anyone(`{"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/0"]}}`), true},
		{"an address that is none", anyone(`{"IpAddress": {"aws:SourceIp": "256.0.0.1"}}`), true},
		{"all but a block", anyone(`{"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}`), true},

		{"TLS", anyone(`{"Bool": {"aws:SecureTransport": "true"}}`), true},
		{"prefix", anyone(`{"StringEquals": {"s3:prefix": "home/"}}`), true},
		{"TLS and an organization", anyone(`{"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"aws:PrincipalOrgID": "o-1"}}`), false},
		{"two keys of one operator, one fixed", anyone(`{"StringLike": {"aws:SourceVpc": "vpc-*", "aws:SourceAccount": "123456789012"}}`), false},
		{"an object for a value", anyone(`{"StringEquals": {"aws:SourceVpc": {"a": "vpc-1"}}}`), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, text := range []string{`{"Statement": ` + test.statement + `}`, `{"Statement": [` + test.statement + `]}`} {
				found, err := publicStatements(text)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				if got := len(found) == 1; got != test.want {
					t.Errorf("public is %v, want %v: %s", got, test.want, text)
				}
			}
		})
	}
}

func TestAdminStatements(t *testing.T) {
	for _, test := range []struct {
		name, statement string
		want            bool
	}{
		{"all", `"Action": "*", "Resource": "*"`, true},
		{"all by service and action", `"Action": "*:*", "Resource": "*"`, true},
		{"all among others", `"Action": ["s3:Get*", "*"], "Resource": ["arn:aws:s3:::a", "*"]`, true},
		{"all ARNs", `"Action": "*", "Resource": "arn:aws:*:*:*:*"`, true},
		{"all ARNs in short", `"Action": "*", "Resource": "arn:*"`, true},
		{"all of a service", `"Action": "iam:*", "Resource": "*"`, false},
		{"all reads", `"Action": "*:Get*", "Resource": "*"`, false},
		{"one bucket", `"Action": "*", "Resource": "arn:aws:s3:::a"`, false},
		{"all buckets", `"Action": "*", "Resource": "arn:aws:s3:::*"`, false},
		{"no resource", `"Action": "*"`, false},
		{"condition", `"Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}`, false},
		{"empty condition", `"Action": "*", "Resource": "*", "Condition": {}`, true},
		{"all but a service", `"NotAction": "s3:*", "Resource": "*"`, true},
		{"all but one action of IAM", `"NotAction": "iam:CreateUser", "Resource": "*"`, true},
		{"all but IAM", `"NotAction": ["organizations:*", "IAM:*"], "Resource": "*"`, false},
		{"all but IAM by wildcard", `"NotAction": "i?m:**", "Resource": "*"`, false},
		{"all but all", `"NotAction": "*", "Resource": "*"`, false},
		{"all but one resource", `"Action": "*", "NotResource": "arn:aws:s3:::a"`, true},
		{"on all but all", `"Action": "*", "NotResource": "*"`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, err := adminStatements(`{"Statement": [{"Effect": "Allow", ` + test.statement + `}]}`)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(found) == 1; got != test.want {
				t.Errorf("admin is %v, want %v", got, test.want)
			}
			if found, err = adminStatements(`{"Statement": [{"Effect": "Deny", ` + test.statement + `}]}`); err != nil || len(found) > 0 {
				t.Errorf("denied, got %d statements and error %v, want none", len(found), err)
			}
		})
	}
}

func TestBadDocuments(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                   "is not valid JSON",
		`[]`:                  "is not a JSON object",
		`{}`:                  "has no Statement",
		`{"statement": []}`:   "has no Statement",
		`{"Statement": "a"}`:  `/Statement: is "a", neither an object nor a list`,
		`{"Statement": [{}]}`: `/Statement/0/Effect: is "", neither Allow nor Deny`,
		`{"Statement": {"Effect": "allow", "Action": "*"}}`:                                     `/Statement/Effect: is "allow"`,
		`{"Statement": {"Effect": "Allow"}}`:                                                    "has neither Action nor NotAction",
		`{"Statement": {"Effect": "Allow", "Action": 1}}`:                                       "/Statement/Action",
		`{"Statement": {"Effect": "Allow", "Action": "*", "Principal": {"Everyone": "*"}}}`:     `"Everyone" is no kind of principal`,
		`{"Statement": {"Effect": "Allow", "Action": "*", "Principal": {}}}`:                    "names no principal",
		`{"Statement": {"Effect": "Allow", "Action": "*", "Principal": {"AWS": {}}}}`:           "/Statement/Principal: AWS",
		`{"Statement": {"Effect": "Allow", "Action": "*", "Condition": []}}`:                    "/Statement/Condition",
		`{"Statement": {"Effect": "Allow", "Action": "*", "Condition": {"StringEquals": "a"}}}`: "/Statement/Condition",
		`{"Statement": {"Effect": "Allow", "Action": "*", "Sid": 1}}`:                           "/Statement/Sid",
		`{"Statement": "` + strings.Repeat("x", maxPolicyBytes) + `"}`:                          "more than",
	} {
		if _, err := parseDocument(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want an error with %q", text, err, want)
		}
	}
	if found, err := parseDocument(" "); found != nil || err != nil {
		t.Errorf("no document: got %v, %v; want neither statement nor error", found, err)
	}
}

func TestGlob(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"a*c", "abbc", true}, {"a*c", "abbd", false},
		{"?", "a", true}, {"?", "", false}, {"*a*a*", "banana", true}, {strings.Repeat("*a", 50) + "b", strings.Repeat("a", 200), false},
	} {
		if got := glob(test.pattern, test.s); got != test.want {
			t.Errorf("glob(%q, %q) is %v", test.pattern, test.s, got)
		}
	}
}

// FuzzPolicyDocument feeds what strangers write: no document may panic, a
// document that is read is read the same way twice, and statements say where
// they are.
func FuzzPolicyDocument(f *testing.F) {
	for _, seed := range []string{
		"", "{", "[]", `{"Statement": null}`, `{"Statement": [null]}`, `{"Statement": {"Effect": "Allow", "Action": null, "Principal": null}}`,
		`{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}`,
		`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "NotAction": ["iam:*"], "Condition": {"IpAddress": {"aws:SourceIp": ["::/0", 1, true]}}}]}`,
		`{"Statement": [{"Sid": "\ud800", "Effect": "Deny", "NotPrincipal": {"Service": "a"}, "Action": "?*", "NotResource": ["arn:"]}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, find := range []func(string) ([]*Statement, error){publicStatements, adminStatements} {
			found, err := find(text)
			again, errAgain := find(text)
			if len(found) != len(again) || (err == nil) != (errAgain == nil) {
				t.Fatalf("twice is not once: %d and %d statements, errors %v and %v", len(found), len(again), err, errAgain)
			}
			if err != nil && found != nil {
				t.Fatalf("both %d statements and the error %v", len(found), err)
			}
			for _, s := range found {
				if !resolves(text, s.At) {
					t.Fatalf("statement at %q is not in the document", s.At)
				}
				if !s.allow {
					t.Fatal("a statement that denies is neither public nor administrative")
				}
			}
		}
	})
}

// resolves reports whether /Statement or /Statement/i is in the document.
func resolves(text, pointer string) bool {
	var document map[string]any
	if json.Unmarshal([]byte(text), &document) != nil {
		return false
	}
	index, listed := strings.CutPrefix(pointer, "/Statement/")
	list, isList := document["Statement"].([]any)
	if !listed {
		return pointer == "/Statement" && !isList
	}
	i := 0
	for _, digit := range index {
		i = i*10 + int(digit-'0')
	}
	return isList && i < len(list)
}
