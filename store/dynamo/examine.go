package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Check is one thing that was looked at.
type Check struct {
	Name   string
	Level  string // "ok", "warn" or "fail"
	Found  string
	Remedy string // a command or a text to paste; empty if nothing is to be done
}

// The levels of a check. With a failure the store does not work; with a warning
// it does, and something of value is at risk.
const (
	levelOK   = "ok"
	levelWarn = "warn"
	levelFail = "fail"
)

// Examine looks whether the tables are there and as they should be, whether each
// call that the store makes is allowed, and whether the clock is right. It
// changes nothing: what it tries to write has a condition that cannot hold, or
// deletes what is not there.
func Examine(ctx context.Context, o Options) []Check {
	o = o.filled()
	// A diagnosis is no time to be patient.
	o.Attempts = min(o.Attempts, 3)
	m, err := newMetrics(nil, o.Now)
	if err != nil {
		return []Check{{"store", levelFail, err.Error(), ""}}
	}
	e := &examination{client: newClient(o, m), region: o.Config.Region, found: map[tableID]*types.TableDescription{},
		address: cmp.Or(o.Endpoint, "https://dynamodb."+o.Config.Region+".amazonaws.com")}
	if !e.tables(ctx) {
		return e.checks
	}
	e.version(ctx)
	e.settings(ctx)
	e.permissions(ctx)
	return e.checks
}

type examination struct {
	*client
	region  string
	address string
	found   map[tableID]*types.TableDescription
	checks  []Check
}

func (e *examination) add(name, level, found, remedy string) {
	e.checks = append(e.checks, Check{name, level, found, remedy})
}

// tables looks for the tables; false if there is nothing more to look at.
func (e *examination) tables(ctx context.Context) bool {
	var missing, foreign, busy []string
	for _, id := range e.all() {
		before := e.now()
		out, err := e.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(e.table(id))})
		var none *types.ResourceNotFoundException
		switch {
		case errors.As(err, &none):
			missing = append(missing, e.table(id))
			continue
		case err != nil:
			e.add("DynamoDB answers", levelFail, fmt.Sprintf("describing %s: %v", e.table(id), err), e.remedyFor(err, "dynamodb:DescribeTable"))
			return false
		}
		if len(e.found) == 0 {
			e.add("DynamoDB answers", levelOK, "in Region "+e.region, "")
			e.clock(out.ResultMetadata, before)
		}
		e.found[id] = out.Table
		if err := same(tables[id], out.Table); err != nil {
			foreign = append(foreign, fmt.Sprintf("%s: %v", e.table(id), err))
		}
		if out.Table.TableStatus != types.TableStatusActive {
			busy = append(busy, fmt.Sprintf("%s is %s", e.table(id), out.Table.TableStatus))
		}
		for _, x := range out.Table.GlobalSecondaryIndexes {
			if x.IndexStatus != "" && x.IndexStatus != types.IndexStatusActive {
				busy = append(busy, fmt.Sprintf("index %s of %s is %s", aws.ToString(x.IndexName), e.table(id), x.IndexStatus))
			}
		}
	}
	e.verdict("tables are there", levelFail, missing, fmt.Sprintf("all %d, named %s…", len(tables), e.prefix), "qrie migrate")
	e.verdict("tables have the right keys and indexes", levelFail, foreign, "all of them",
		"start qrie with another prefix: a table of this name belongs to something else, or to another version")
	e.verdict("tables are active", levelWarn, busy, "all of them, with their indexes", "wait until AWS is done, and look again")
	return len(e.found) > 0
}

// verdict adds a check of several things, of which some may be wrong.
func (e *examination) verdict(name, level string, wrong []string, right, remedy string) {
	if len(wrong) == 0 {
		e.add(name, levelOK, right, "")
		return
	}
	e.add(name, level, listed(wrong), remedy)
}

// listed names a few and counts the rest.
func listed(all []string) string {
	const few = 5
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(all[:few], ", "), len(all)-few)
}

func (e *examination) all() []tableID { return slices.Sorted(maps.Keys(tables)) }

// Signatures are refused at five minutes. Observations are ordered by the clocks
// of the workers, so less than that does harm as well.
const (
	skewToTell = 2 * time.Second // the server tells whole seconds
	skewToFail = time.Minute
)

// clock compares with the time that the server gave in its answer.
func (e *examination) clock(meta middleware.Metadata, before time.Time) {
	server, ok := awsmiddleware.GetServerTime(meta)
	if !ok {
		e.add("the clock is right", levelWarn, "the server does not tell the time", "")
		return
	}
	middle := before.Add(e.now().Sub(before) / 2)
	skew := middle.Sub(server)
	level, remedy := levelOK, ""
	if skew.Abs() > skewToTell {
		level, remedy = levelWarn, "sudo chronyc makestep   # or: sudo timedatectl set-ntp true"
	}
	if skew.Abs() > skewToFail {
		level = levelFail
	}
	e.add("the clock is right", level, fmt.Sprintf("%.1f s off the server's", skew.Seconds()), remedy)
}

// version compares the version of the tables.
func (e *examination) version(ctx context.Context) {
	const name = "tables have this qrie's version"
	if e.found[metaTable] == nil {
		return
	}
	it, err := e.get(ctx, metaTable, metaPart, schemaItem)
	switch {
	case err != nil:
		e.add(name, levelFail, err.Error(), e.remedyFor(err, "dynamodb:GetItem"))
	case it == nil:
		e.add(name, levelFail, "they have none: the migration did not finish", "qrie migrate")
	case it.num("Version") != schemaVersion:
		e.add(name, levelFail, fmt.Sprintf("they are of version %d, and this qrie knows %d", it.num("Version"), schemaVersion),
			"run the qrie that made them, or start this one with another prefix")
	default:
		e.add(name, levelOK, fmt.Sprint("version ", schemaVersion), "")
	}
}

// settings looks at what keeps the tables safe and elastic.
func (e *examination) settings(ctx context.Context) {
	var provisioned, deletable, plain, lost []string
	var backups error
	for _, id := range e.all() {
		t := e.found[id]
		if t == nil {
			continue
		}
		if t.BillingModeSummary == nil || t.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
			provisioned = append(provisioned, e.table(id))
		}
		if !aws.ToBool(t.DeletionProtectionEnabled) {
			deletable = append(deletable, e.table(id))
		}
		if t.SSEDescription == nil || t.SSEDescription.Status != types.SSEStatusEnabled {
			plain = append(plain, e.table(id))
		}
		if backups == nil {
			on, err := e.recoverable(ctx, id)
			if backups = err; err == nil && !on {
				lost = append(lost, e.table(id))
			}
		}
	}
	const all = "all of them"
	e.verdict("tables are on demand", levelWarn, provisioned, all, forEach(provisioned, "aws dynamodb update-table --table-name %s --billing-mode PAY_PER_REQUEST"))
	e.verdict("tables are protected from deletion", levelWarn, deletable, all, "qrie migrate")
	e.verdict("tables are encrypted by KMS", levelWarn, plain, all, forEach(plain, "aws dynamodb update-table --table-name %s --sse-specification Enabled=true,SSEType=KMS"))
	const recovery = "tables can be recovered to any second"
	if backups != nil {
		e.add(recovery, levelWarn, backups.Error(), e.remedyFor(backups, "dynamodb:DescribeContinuousBackups"))
		return
	}
	e.verdict(recovery, levelWarn, lost, all, "qrie migrate")
}

// forEach is a command for each table, to paste as one.
func forEach(names []string, command string) string {
	var out []string
	for _, name := range names {
		out = append(out, fmt.Sprintf(command, name))
	}
	return strings.Join(out, "\n")
}

// permissions tries each call on each table and index.
func (e *examination) permissions(ctx context.Context) {
	for _, p := range probes {
		var refused []string
		var first error
		for _, id := range e.all() {
			if e.found[id] == nil {
				continue
			}
			if err := p.try(ctx, e.client, id); err != nil {
				refused = append(refused, e.table(id))
				first = cmp.Or(first, err)
			}
		}
		name := p.action + " is allowed"
		if first == nil {
			e.add(name, levelOK, "on all tables", "")
			continue
		}
		e.add(name, levelFail, fmt.Sprintf("on %s: %v", listed(refused), first), e.remedyFor(first, p.action))
	}
}

// remedyFor tells what to do about a failed call: what it lacks if it was
// denied.
func (e *examination) remedyFor(err error, action string) string {
	switch kindOfError(err) {
	case "denied":
		var api smithy.APIError
		if errors.As(err, &api) && api.ErrorCode() != "AccessDeniedException" {
			return "aws sts get-caller-identity   # the credentials are not valid, or ran out"
		}
		return "add this to the policy of qrie's role:\n" + e.statement(action)
	case "no_table":
		return "qrie migrate"
	case "", "unreachable":
		return "curl -sv " + e.address + "   # it cannot be reached from here"
	}
	return ""
}

// statement allows an action on the tables, in the words of IAM.
func (e *examination) statement(action string) string {
	table := fmt.Sprintf("arn:aws:dynamodb:%s:*:table/%s*", e.region, e.prefix)
	for _, t := range e.found {
		if arn, _, ok := strings.Cut(aws.ToString(t.TableArn), ":table/"); ok {
			table = arn + ":table/" + e.prefix + "*"
		}
	}
	return fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": [%q, %q]}`, action, table, table+"/index/*")
}
