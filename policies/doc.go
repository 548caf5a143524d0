// Package policies is the catalogue of policies and the engine that runs them.
//
// A policy is one YAML file, policies/<service>/<Id>.yaml. Its logic is a CEL
// expression, violations, that returns the list of offending parts of one
// resource: an empty list passes, anything else fails, and the list is the
// evidence. So verdict, evidence and count are one value and cannot disagree.
// Expressions are checked against the typed views of package resources: a
// misspelt field is an error with its line and column, not a silent pass.
//
// What could not be read is never judged. A field of the view that rests on a
// missing member of the document is unknown to CEL; an expression that does
// not need it still decides, any other yields the outcome Unknown, and the
// verdict names the IAM action that lacks.
//
// Sets, policies and programs are immutable once made and safe for concurrent
// use.
//
// # The file
//
//	id: S3BucketPublic             names the bad state; the file's name; never changes
//	aliases: []                    former ids
//	title:                         the bad state in words, at most 100 characters
//	severity: 90                   0 to 100, as qrie.Severity
//	category: access_control       see categories in lint.go
//	resource: AWS::S3::Bucket      a type of package resources
//	description:                   exactly what fails
//	risk:                          why that matters
//	compliance: {framework: [id]}  requirements listed in frameworks/<framework>.yaml
//	params:
//	  name: {type: int, default: 30, min: 1, max: 3650, help: What it means.}
//	when: CEL, bool                false: the policy does not apply, the outcome is Skip
//	let: [{name: x, expr: CEL}]    evaluated when first read, and once
//	violations: CEL, or a list     each returns a list of objects
//	summary: CEL, string           one sentence on the violations
//	remediation: {text, console, cli, terraform}
//	tests:
//	  - {name, want, resource or document, …}   see Test
//
// A list under violations is judged expression by expression: one that finds
// something decides, although another cannot tell. The member at of a
// violation is a JSON Pointer into the document, or a list of them; it becomes
// Evidence.Pointers. Members that are empty are left out of the evidence, and
// so is a time that never was; has(x.time) asks for that.
//
// Expressions read resource, now, account (id, name, ou, tags), region, params
// and their lets; summary reads violations too. See Functions for what they
// may call beside CEL and its libraries strings, lists, sets and network.
//
// Where now is only compared with dates, such as in k.createdAt < now -
// days(params.max_age_days), a verdict is due again at the moment at which it
// changes; a policy that uses now otherwise is judged daily. See Policy.Daily.
//
// Fixtures are part of the file: at least one for each outcome that the policy
// can have, and a failing one that is a document, so that the pointers are
// seen to point. A test changes every expression in the ways it could have
// been written wrongly and wants a fixture to notice each.
package policies
