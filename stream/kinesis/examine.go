package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Check is one thing that Examine looked at.
type Check struct {
	Name   string
	Level  string // ok, warn or fail
	Found  string // what is so
	Remedy string // what mends it, empty if nothing is wrong
}

// Levels of a Check.
const (
	levelOK   = "ok"
	levelWarn = "warn"
	levelFail = "fail"
)

const (
	// goodRetention lets workers stand still over a long weekend.
	goodRetention = 7 * 24 * time.Hour
	// A request must reach AWS within five minutes of the time that it was signed
	// for (re:Post, knowledge-center/lambda-sdk-signature).
	worstSkew = 5 * time.Minute
	goodSkew  = time.Minute
)

// Examine looks at the data stream and the lease table as a worker would use
// them, without writing anything, and says how to mend what it finds. Whether
// records may be published it does not try.
func Examine(ctx context.Context, opts Options) []Check {
	if err := opts.setDefaults(); err != nil {
		return []Check{{"options", levelFail, err.Error(), ""}}
	}
	log, db := clients(opts)
	x := &examination{opts: opts}
	x.stream(ctx, log)
	x.leaseTable(ctx, db)
	return x.checks
}

type examination struct {
	opts   Options
	arn    string // of the stream
	lease  string // under which leases are kept
	checks []Check
}

func (x *examination) add(name, level, found, remedy string) {
	x.checks = append(x.checks, Check{name, level, found, remedy})
}

func (x *examination) stream(ctx context.Context, log *kinesis.Client) {
	name := "stream " + x.opts.Stream
	out, err := log.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(x.opts.Stream)})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		x.add(name, levelFail, "there is none of that name in "+x.opts.AWS.Region,
			fmt.Sprintf("aws kinesis create-stream --region %s --stream-name %s --stream-mode-details StreamMode=ON_DEMAND", x.opts.AWS.Region, x.opts.Stream))
		return
	case err != nil:
		x.refused(name, "kinesis:DescribeStreamSummary", "the stream "+x.opts.Stream, err)
		return
	}
	s := out.StreamDescriptionSummary
	x.arn, x.lease = aws.ToString(s.StreamARN), leaseName(x.opts.Stream, s)
	mode := types.StreamModeProvisioned
	if s.StreamModeDetails != nil {
		mode = s.StreamModeDetails.StreamMode
	}
	found := fmt.Sprintf("%s, %s, %d open shards", s.StreamStatus, mode, aws.ToInt32(s.OpenShardCount))
	if s.StreamStatus == types.StreamStatusActive || s.StreamStatus == types.StreamStatusUpdating {
		x.add(name, levelOK, found, "")
	} else {
		x.add(name, levelFail, found, "wait until it is ACTIVE")
	}
	x.skew(out.ResultMetadata)
	if kept := retentionOf(s); kept < goodRetention {
		x.add("retention", levelWarn, fmt.Sprintf("records are kept for %s: workers that stand still for longer lose some", hours(kept)),
			fmt.Sprintf("aws kinesis increase-stream-retention-period --region %s --stream-name %s --retention-period-hours %d", x.opts.AWS.Region, x.opts.Stream, int(goodRetention.Hours())))
	} else {
		x.add("retention", levelOK, "records are kept for "+hours(kept), "")
	}
	if s.EncryptionType == types.EncryptionTypeKms {
		x.add("encryption of the stream", levelOK, "KMS key "+aws.ToString(s.KeyId), "")
	} else {
		x.add("encryption of the stream", levelWarn, "records are not encrypted at rest",
			fmt.Sprintf("aws kinesis start-stream-encryption --region %s --stream-name %s --encryption-type KMS --key-id alias/aws/kinesis", x.opts.AWS.Region, x.opts.Stream))
	}
	x.reading(ctx, log)
}

func hours(d time.Duration) string { return fmt.Sprintf("%d hours", int(d.Hours())) }

// skew compares the machine's clock with that of AWS's answer.
func (x *examination) skew(md middleware.Metadata) {
	server, ok := awsmiddleware.GetServerTime(md)
	at, ok2 := awsmiddleware.GetResponseAt(md)
	if !ok || !ok2 {
		x.add("clock", levelWarn, "the answer does not tell the time", "")
		return
	}
	x.checks = append(x.checks, clock(at.Sub(server).Abs()))
}

// clock judges how far the machine's clock is off.
func clock(off time.Duration) Check {
	off = off.Truncate(time.Second) // the header has whole seconds
	c := Check{Name: "clock", Level: levelOK, Found: fmt.Sprintf("off by %s from that of AWS", off)}
	if off >= goodSkew {
		c.Level, c.Remedy = levelWarn, "let a time service set the clock, such as chrony with 169.254.169.123"
	}
	if off >= worstSkew {
		c.Level = levelFail
		c.Found += ": AWS refuses signatures that are 5 minutes off"
	}
	return c
}

// reading tries what a worker does with a shard.
func (x *examination) reading(ctx context.Context, log *kinesis.Client) {
	const name = "permission to read"
	shards, err := listShards(ctx, log, x.opts.Stream)
	if err != nil {
		x.refused(name, "kinesis:ListShards", x.arn, err)
		return
	}
	if len(shards) == 0 {
		x.add(name, levelFail, "the stream has no shards", "wait until it is ACTIVE")
		return
	}
	it, err := log.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String(x.opts.Stream), ShardId: shards[0].ShardId, ShardIteratorType: types.ShardIteratorTypeLatest})
	if err != nil {
		x.refused(name, "kinesis:GetShardIterator", x.arn, err)
		return
	}
	_, err = log.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator, Limit: aws.Int32(1)})
	if err != nil && !isThrottle(err) { // a shard that is read as fast as it may be is read
		x.refused(name, "kinesis:GetRecords", x.arn, err)
		return
	}
	x.add(name, levelOK, "shards can be listed and read", "")
}

func (x *examination) leaseTable(ctx context.Context, db *dynamodb.Client) {
	table := x.opts.LeaseTable
	name := "lease table " + table
	out, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	var missing *dynamotypes.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		x.add(name, levelWarn, "there is none yet; the first worker makes it, and needs dynamodb:CreateTable for that", "start a worker, or make the table beforehand (docs/operations.md)")
		return
	case err != nil:
		x.refused(name, "dynamodb:DescribeTable", "table/"+table, err)
		return
	}
	t := out.Table
	var keys []string
	for _, k := range t.KeySchema {
		keys = append(keys, aws.ToString(k.AttributeName))
	}
	switch {
	case strings.Join(keys, ", ") != keyStream+", "+keyItem:
		x.add(name, levelFail, fmt.Sprintf("it is another program's: its key is (%s), not (%s, %s)", strings.Join(keys, ", "), keyStream, keyItem), "name another one with --lease-table")
		return
	case t.TableStatus != dynamotypes.TableStatusActive && t.TableStatus != dynamotypes.TableStatusUpdating:
		x.add(name, levelFail, string(t.TableStatus), "wait until it is ACTIVE")
		return
	}
	x.add(name, levelOK, string(t.TableStatus), "")
	if t.BillingModeSummary == nil || t.BillingModeSummary.BillingMode != dynamotypes.BillingModePayPerRequest {
		x.add("capacity of the lease table", levelWarn, "it is provisioned: when it throttles, leases cannot be renewed and run out",
			fmt.Sprintf("aws dynamodb update-table --region %s --table-name %s --billing-mode PAY_PER_REQUEST", x.opts.AWS.Region, table))
	}
	if !aws.ToBool(t.DeletionProtectionEnabled) {
		x.add("protection of the lease table", levelWarn, "it may be deleted by mistake, and every record that is kept would be read again",
			fmt.Sprintf("aws dynamodb update-table --region %s --table-name %s --deletion-protection-enabled", x.opts.AWS.Region, table))
	}
	x.writing(ctx, db)
}

// writing tries what a worker does with leases, on a row that is not there and
// under a condition that does not hold: nothing is written.
func (x *examination) writing(ctx context.Context, db *dynamodb.Client) {
	const name = "permission to keep leases"
	t := &dynamoTable{db: db, table: x.opts.LeaseTable, stream: x.lease}
	arn := "table/" + x.opts.LeaseTable
	if _, _, err := t.read(ctx); err != nil {
		x.refused(name, "dynamodb:Query", arn, err)
		return
	}
	nobody := row{shard: "doctor", owner: "doctor", epoch: 1, counter: 1}
	if err := t.renew(ctx, nobody, nobody); !errors.Is(err, errFenced) {
		x.refused(name, "dynamodb:UpdateItem", arn, err)
		return
	}
	if err := t.remove(ctx, nobody.shard); err != nil {
		x.refused(name, "dynamodb:DeleteItem", arn, err)
		return
	}
	x.add(name, levelOK, "leases can be read, written and removed", "")
}

// refused notes a call that failed, and the action that lacks if that is why.
func (x *examination) refused(name, action, resource string, err error) {
	remedy := ""
	var api smithy.APIError
	switch {
	case err == nil:
		err = errors.New("a write went through that was to be refused")
	case !errors.As(err, &api):
		remedy = "see whether the address can be reached from here, and whether there are AWS credentials"
	case strings.HasPrefix(api.ErrorCode(), "KMS"):
		remedy = "allow kms:Decrypt and kms:GenerateDataKey on the stream's key"
	case strings.Contains(api.ErrorCode(), "AccessDenied"):
		remedy = fmt.Sprintf("allow %s on %s", action, resource)
	case strings.Contains(api.ErrorCode(), "Token") || strings.Contains(api.ErrorCode(), "Signature") || strings.Contains(api.ErrorCode(), "Credential") || strings.Contains(api.ErrorCode(), "UnrecognizedClient"):
		remedy = "renew the AWS credentials"
	}
	x.add(name, levelFail, fmt.Sprintf("%s: %v", action, err), remedy)
}
