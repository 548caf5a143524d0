package policies

import (
	"net/netip"
	"slices"
	"strings"
)

// publicStatements returns the statements of a resource-based policy that
// admit the public, as Amazon S3 defines it ("The meaning of public" in the
// S3 user guide): a policy is public unless it grants access only to fixed
// values, with neither a wildcard nor a policy variable, of a principal or of
// one of a few condition keys. A condition on any other key, such as
// aws:SecureTransport or s3:prefix, restricts nothing. Deny statements are
// not weighed against the grants, and an identity-based policy, which has no
// Principal, has no public statement.
func publicStatements(text string) ([]*Statement, error) {
	statements, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(statements, func(s *Statement) bool { return !s.public() }), nil
}

func (s *Statement) public() bool {
	return s.allow && s.anyPrincipal() && !slices.ContainsFunc(s.conditions, condition.fixesCaller)
}

// anyPrincipal reports whether the statement names no fixed principal.
// NotPrincipal with Allow admits everyone else. A federated identity provider
// of the web, such as graph.facebook.com, admits whoever has an account
// there; a provider that is an ARN is one of the customer's own.
func (s *Statement) anyPrincipal() bool {
	return len(s.NotPrincipals) > 0 ||
		slices.ContainsFunc(s.Principals, func(p string) bool { return !fixed(p) }) ||
		slices.ContainsFunc(s.federated, func(p string) bool { return !strings.HasPrefix(p, "arn:") })
}

// callerKeys are the condition keys by which AWS lets a policy name its
// callers, each with the test that one value must pass. The user guide lists
// them, except those it covers as "an AWS principal, user, role, or service
// principal (e.g. aws:PrincipalOrgID)" and KMS's word for the caller's account.
var callerKeys = map[string]func(value string) bool{
	"aws:principalaccount":      fixed,
	"aws:principalarn":          fixed,
	"aws:principalorgid":        fixed,
	"aws:principalorgpaths":     fixedOrganization,
	"aws:principalservicename":  fixed,
	"aws:sourceaccount":         fixed,
	"aws:sourcearn":             fixed,
	"aws:sourceip":              narrow,
	"aws:sourceowner":           fixed,
	"aws:sourcevpc":             fixed,
	"aws:sourcevpce":            fixed,
	"aws:userid":                fixed,
	"kms:calleraccount":         fixed,
	"s3:dataaccesspointaccount": fixed,
	"s3:dataaccesspointarn":     fixedAccessPoint,
}

// positiveOperators are the operators that admit only the values listed.
var positiveOperators = map[string]bool{
	"stringequals":           true,
	"stringequalsignorecase": true,
	"stringlike":             true,
	"arnequals":              true,
	"arnlike":                true,
	"ipaddress":              true,
}

// fixesCaller reports whether the condition alone limits the statement to
// fixed callers. An operator with IfExists, or with ForAllValues, also holds
// for a request without the key, which an anonymous caller can send.
func (c condition) fixesCaller() bool {
	allowed, ok := callerKeys[c.key]
	if !ok || !c.readable || len(c.values) == 0 {
		return false
	}
	if !positiveOperators[strings.TrimPrefix(c.operator, "foranyvalue:")] {
		return false
	}
	for _, value := range c.values {
		if !allowed(value) {
			return false
		}
	}
	return true
}

// fixed reports whether a value has neither a wildcard nor a policy variable.
func fixed(value string) bool {
	return value != "" && !strings.ContainsAny(value, "*?") && !strings.Contains(value, "${")
}

// fixedOrganization wants the organization's id, the first part of a path
// such as o-a1b2c3d4e5/r-f6g7/ou-f6g7-1/*, to be fixed: like
// aws:PrincipalOrgID it then names the members of one organization.
func fixedOrganization(path string) bool {
	organization, rest, _ := strings.Cut(path, "/")
	return fixed(organization) && !strings.Contains(rest, "${")
}

// fixedAccessPoint lets the name of an access point be a wildcard as long as
// its account is fixed, which is AWS's exception for bucket policies:
// arn:aws:s3:us-west-2:123456789012:accesspoint/*.
func fixedAccessPoint(arn string) bool {
	parts := strings.SplitN(arn, ":", 6)
	return len(parts) == 6 && fixed(parts[4]) && !strings.Contains(arn, "${")
}

// narrow reports whether a value is an address or a block no broader than /8
// for IPv4 and /32 for IPv6, the bounds that AWS sets. AWS excepts the private
// ranges of RFC 1918, none of which is broader than that.
func narrow(value string) bool {
	if address, err := netip.ParseAddr(value); err == nil {
		return address.IsValid()
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return false
	}
	if prefix.Addr().Is4() {
		return prefix.Bits() >= 8
	}
	return prefix.Bits() >= 32
}
