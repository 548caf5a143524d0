package policies

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/qrie-sec/qrie/resources"
)

// environment is what the expressions of one policy may name. Policies of one
// resource type share what is costly to make.
type environment struct {
	cel     *cel.Env
	adapter types.Adapter
}

// accountVars is the variable account: what a policy may know of the account
// that the resource is in.
type accountVars struct {
	ID   string            `json:"id"`
	Name string            `json:"name"`
	OU   string            `json:"ou"` // path such as /Workloads/Prod
	Tags map[string]string `json:"tags"`
}

// newEnvironment declares the variables that policies of a type have in
// common: resource, now, account and region.
func newEnvironment(kind resources.Type) (*environment, error) {
	env, err := cel.NewEnv(
		ext.Strings(), ext.Lists(), ext.Sets(), ext.Network(),
		ext.NativeTypes(
			ext.ParseStructTag("json"),
			viewType(kind), reflect.TypeFor[Statement](), reflect.TypeFor[accountVars](),
		),
		functions,
		cel.Variable("resource", cel.ObjectType("resources."+viewType(kind).Name())),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("account", cel.ObjectType("policies.accountVars")),
		cel.Variable("region", cel.StringType),
		cel.DefaultUTCTimeZone(true),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(),
			cel.ValidateTimestampLiterals(),
			cel.ValidateRegexLiterals(),
		),
	)
	if err != nil {
		return nil, fmt.Errorf("declare the variables of %s: %w", kind.Name, err)
	}
	return &environment{cel: env, adapter: env.CELTypeAdapter()}, nil
}

// with declares one more variable.
func (e *environment) with(name string, kind *cel.Type) (*environment, error) {
	env, err := e.cel.Extend(cel.Variable(name, kind))
	if err != nil {
		return nil, fmt.Errorf("declare %s: %w", name, err)
	}
	return &environment{cel: env, adapter: env.CELTypeAdapter()}, nil
}
