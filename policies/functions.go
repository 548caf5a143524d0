package policies

import (
	"fmt"
	"math"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Function documents a function that expressions may call beside those of CEL
// and of its extension libraries strings, lists, sets and network. All are
// pure.
type Function struct {
	Signature string   `json:"signature"`
	Doc       string   `json:"doc"`
	Examples  []string `json:"examples"`
}

var functionDocs = []Function{
	{
		"days(int) -> duration",
		"Whole days; CEL's own durations stop at hours. Compare a time with now - days(n): the difference of two times overflows after 292 years.",
		[]string{
			"resource.createdAt < now - days(90)",
			"days(200000) // error: beyond 292 years",
		},
	},
	{
		"iam.publicStatements(string) -> list(Statement)",
		"The Allow statements of a resource-based policy that admit the public, as Amazon S3 defines it: everyone, unless a condition limits the callers to fixed values. No document gives none.",
		[]string{
			"iam.publicStatements(resource.policy).map(s, {'statement': s.sid, 'at': resource.policyAt + s.at})",
			"iam.publicStatements('') // []",
			"iam.publicStatements('{') // error: not a policy document",
		},
	},
	{
		"iam.adminStatements(string) -> list(Statement)",
		"The Allow statements of a policy for every action on every resource, without a condition. All actions but some count too, unless those of IAM are left out.",
		[]string{
			"size(iam.adminStatements(resource.document)) > 0",
			`iam.adminStatements('{"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}') // []`,
		},
	},
}

// Functions documents the functions of policies.
func Functions() []Function { return slices.Clone(functionDocs) }

// functions declares them. Statements need the adapter that knows the native
// types, so this is an option that comes after those.
func functions(env *cel.Env) (*cel.Env, error) {
	adapter := env.CELTypeAdapter()
	statements := cel.ListType(cel.ObjectType("policies.Statement"))
	document := func(find func(string) ([]*Statement, error)) cel.OverloadOpt {
		return cel.UnaryBinding(func(text ref.Val) ref.Val {
			found, err := find(string(text.(types.String)))
			if err != nil {
				return types.WrapErr(err)
			}
			return adapter.NativeToValue(found)
		})
	}
	for _, option := range []cel.EnvOption{
		cel.Function("days",
			cel.Overload("days_int", []*cel.Type{cel.IntType}, cel.DurationType, cel.UnaryBinding(days))),
		cel.Function("iam.publicStatements",
			cel.Overload("iam_public_statements_string", []*cel.Type{cel.StringType}, statements, document(publicStatements))),
		cel.Function("iam.adminStatements",
			cel.Overload("iam_admin_statements_string", []*cel.Type{cel.StringType}, statements, document(adminStatements))),
	} {
		var err error
		if env, err = option(env); err != nil {
			return nil, fmt.Errorf("declare functions: %w", err)
		}
	}
	return env, nil
}

const maxDays = math.MaxInt64 / int64(24*time.Hour)

func days(n ref.Val) ref.Val {
	d := int64(n.(types.Int))
	if d > maxDays || d < -maxDays {
		return types.NewErr("days(%d) is beyond %d days", d, maxDays)
	}
	return types.Duration{Duration: time.Duration(d) * 24 * time.Hour}
}
