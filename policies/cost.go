package policies

import (
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"go.yaml.in/yaml/v3"
)

// The greatest cost of one expression and the sizes it is estimated for. A
// limit counted during evaluation makes cel-go half as fast; one estimated at
// load costs nothing later. A unit takes 20 to 50 ns, so the worst expression
// on the biggest resource takes a quarter of a second. The sizes are AWS's: a
// security group has at most 1,000 rules, a policy document 20 KiB (that of a
// KMS key 32), an ARN 2,048 bytes and nearly all names far fewer.
const (
	maxCost          = 5_000_000
	maxListElements  = 1_000
	maxDocumentBytes = 32 << 10
	maxNameBytes     = 256
)

// checkCost reports an expression that could take too long on a resource as
// big as AWS lets it be.
func (s *source) checkCost(env *environment, name string, checked *cel.Ast, node *yaml.Node) {
	estimate, err := env.cel.EstimateCost(checked, sizes{})
	if err != nil {
		s.reportf(node, "%s: cannot estimate its cost: %v", name, err)
		return
	}
	if estimate.Max > maxCost {
		s.reportf(node, "%s: may cost %d, more than %d; loop over fewer lists at once", name, estimate.Max, maxCost)
	}
}

// sizes tells cel-go how big the values are that an expression does not show.
type sizes struct{}

var _ cost.Estimator = sizes{}

func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	parameter := len(path) > 0 && strings.HasPrefix(path[0], "params.")
	var most uint64
	switch kind := node.Type().Kind(); {
	case parameter && kind == types.ListKind:
		most = maxParamElements
	case kind == types.ListKind, kind == types.MapKind:
		most = maxListElements
	case len(path) > 0 && slices.Contains(documentFields, path[len(path)-1]):
		most = maxDocumentBytes
	case kind == types.StringKind, kind == types.DynKind:
		most = maxNameBytes
	default:
		return nil
	}
	return &cost.SizeEstimate{Min: 0, Max: most}
}

// documentFields are the fields of views that hold a whole policy document.
var documentFields = []string{"policy", "document"}

// EstimateCallCost prices the iam functions: one pass over the document.
func (sizes) EstimateCallCost(function, _ string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	if !strings.HasPrefix(function, "iam.") {
		return nil
	}
	statements := cost.SizeEstimate{Min: 0, Max: maxListElements}
	return &cost.CallEstimate{
		CostEstimate: cost.RangedCostEstimate(1, maxDocumentBytes),
		ResultSize:   &statements,
	}
}
