package kinesis

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/qrie-sec/qrie/stream"
)

// fakeKinesis is a data stream in the process, with hooks for faults.
type fakeKinesis struct {
	fail   func(op string) error                         // of a call, if not nil
	refuse func(entry types.PutRecordsRequestEntry) bool // of a record, if not nil
	wait   func(ctx context.Context)                     // before shards are listed, if not nil
	change func(out *kinesis.GetRecordsOutput)           // what a read answers, if not nil

	mu        sync.Mutex
	retention time.Duration
	unknown   string // what is answered behind a record that was dropped: "refused", "empty", or the oldest that is left
	shards    []*fakeShard
	next      int64
	age       int // iterators of an earlier age have expired
	requests  []*kinesis.PutRecordsInput
	asked     []kinesis.GetShardIteratorInput
}

type fakeShard struct {
	id       string
	parents  []string
	from, to uint64 // of the hash
	closed   bool
	records  []types.Record
	dropped  int // of the records
}

func newFake(shards int) *fakeKinesis {
	f := &fakeKinesis{next: 1e18}
	for i := range uint64(shards) {
		f.add(i*(1<<32)/uint64(shards), (i+1)*(1<<32)/uint64(shards))
	}
	return f
}

func (f *fakeKinesis) add(from, to uint64, parents ...string) {
	f.shards = append(f.shards, &fakeShard{id: fmt.Sprintf("shardId-%012d", len(f.shards)), from: from, to: to, parents: parents})
}

func (f *fakeKinesis) split(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.shard(id)
	s.closed = true
	f.add(s.from, (s.from+s.to)/2, id)
	f.add((s.from+s.to)/2, s.to, id)
}

func (f *fakeKinesis) merge(a, b string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	left, right := f.shard(a), f.shard(b)
	left.closed, right.closed = true, true
	f.add(left.from, right.to, a, b)
}

func (f *fakeKinesis) shard(id string) *fakeShard {
	at := slices.IndexFunc(f.shards, func(s *fakeShard) bool { return s.id == id })
	return f.shards[at]
}

// expire makes every iterator useless.
func (f *fakeKinesis) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.age++
}

// drop drops the first n records of a shard, as Kinesis does after the
// retention.
func (f *fakeKinesis) drop(id string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shard(id).dropped = n
}

// put adds a record as it is, to the open shard of the key.
func (f *fakeKinesis) put(key string, data []byte) (shard, seq string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := fnv.New32a()
	h.Write([]byte(key))
	at := uint64(h.Sum32() * 2654435761) // mixes the upper bits
	for _, s := range f.shards {
		if !s.closed && s.from <= at && at < s.to {
			f.next++
			seq := strconv.FormatInt(f.next, 10)
			s.records = append(s.records, types.Record{
				PartitionKey: aws.String(key), Data: data, SequenceNumber: aws.String(seq), ApproximateArrivalTimestamp: aws.Time(time.Now()),
			})
			return s.id, seq
		}
	}
	panic("no shard for the key")
}

func (f *fakeKinesis) failing(op string) error {
	if f.fail == nil {
		return nil
	}
	return f.fail(op)
}

func (f *fakeKinesis) DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hours := int32(f.retention / time.Hour)
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{RetentionPeriodHours: &hours}}, nil
}

func (f *fakeKinesis) ListShards(ctx context.Context, _ *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	if f.wait != nil {
		if f.wait(ctx); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if err := f.failing("ListShards"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &kinesis.ListShardsOutput{}
	for _, s := range f.shards {
		shard := types.Shard{ShardId: aws.String(s.id), SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")}}
		if s.closed {
			shard.SequenceNumberRange.EndingSequenceNumber = aws.String("2")
		}
		if len(s.parents) > 0 {
			shard.ParentShardId = aws.String(s.parents[0])
		}
		if len(s.parents) > 1 {
			shard.AdjacentParentShardId = aws.String(s.parents[1])
		}
		out.Shards = append(out.Shards, shard)
	}
	slices.Reverse(out.Shards) // children first
	return out, nil
}

func (f *fakeKinesis) GetShardIterator(_ context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	if err := f.failing("GetShardIterator"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, *in)
	s, at := f.shard(*in.ShardId), 0
	switch in.ShardIteratorType {
	case types.ShardIteratorTypeLatest:
		at = len(s.records)
	case types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber:
		for at < len(s.records) {
			order := stream.CompareSeq(*s.records[at].SequenceNumber, *in.StartingSequenceNumber)
			if order > 0 || order == 0 && in.ShardIteratorType == types.ShardIteratorTypeAtSequenceNumber {
				break
			}
			at++
		}
		if at < s.dropped && f.unknown == "refused" {
			return nil, &types.InvalidArgumentException{Message: aws.String("StartingSequenceNumber is not in the shard any more")}
		}
		if at < s.dropped && f.unknown == "empty" {
			return &kinesis.GetShardIteratorOutput{ShardIterator: f.iterator(s, -1)}, nil
		}
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: f.iterator(s, max(at, s.dropped))}, nil
}

func (f *fakeKinesis) iterator(s *fakeShard, at int) *string {
	return aws.String(fmt.Sprintf("%s %d %d", s.id, at, f.age))
}

func (f *fakeKinesis) GetRecords(_ context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	if err := f.failing("GetRecords"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var at, age int
	parts := strings.Fields(*in.ShardIterator)
	at, _ = strconv.Atoi(parts[1])
	age, _ = strconv.Atoi(parts[2])
	if age != f.age {
		return nil, &types.ExpiredIteratorException{}
	}
	s := f.shard(parts[0])
	if at < 0 {
		return &kinesis.GetRecordsOutput{NextShardIterator: f.iterator(s, at), MillisBehindLatest: aws.Int64(f.retention.Milliseconds())}, nil
	}
	to := min(len(s.records), at+int(aws.ToInt32(in.Limit)))
	out := &kinesis.GetRecordsOutput{Records: slices.Clone(s.records[at:to]), NextShardIterator: f.iterator(s, to), MillisBehindLatest: aws.Int64(0)}
	if s.closed && to == len(s.records) {
		out.NextShardIterator = nil
	}
	if f.change != nil {
		f.change(out)
	}
	return out, nil
}

func (f *fakeKinesis) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	if err := f.failing("PutRecords"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.requests = append(f.requests, in)
	f.mu.Unlock()
	out := &kinesis.PutRecordsOutput{}
	for _, r := range in.Records {
		if f.refuse != nil && f.refuse(r) {
			out.Records = append(out.Records, types.PutRecordsResultEntry{ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String("slow down")})
			continue
		}
		shard, seq := f.put(*r.PartitionKey, r.Data)
		out.Records = append(out.Records, types.PutRecordsResultEntry{ShardId: aws.String(shard), SequenceNumber: aws.String(seq)})
	}
	return out, nil
}

var _ api = (*fakeKinesis)(nil)

// clientFault is what AWS answers to a request that never will be taken.
var clientFault = &smithy.GenericAPIError{Code: "AccessDeniedException", Fault: smithy.FaultClient}

// memTable is a leaseTable with the same conditions as the one on DynamoDB.
type memTable struct {
	fail func(op string) error // of a call, if not nil

	mu      sync.Mutex
	rows    map[string]row
	workers map[string]int64
}

func newMemTable() *memTable { return &memTable{rows: map[string]row{}, workers: map[string]int64{}} }

func (m *memTable) call(op string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(op)
}

func (m *memTable) read(context.Context) ([]row, map[string]int64, error) {
	if err := m.call("read"); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.rows)), maps.Clone(m.workers), nil
}

func (m *memTable) claim(_ context.Context, seen row, owner string) (row, error) {
	if err := m.call("claim"); err != nil {
		return row{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.rows[seen.shard]; now.owner != seen.owner || now.epoch != seen.epoch || now.counter != seen.counter {
		return row{}, errFenced
	}
	seen.owner, seen.epoch, seen.counter = owner, seen.epoch+1, seen.counter+1
	m.rows[seen.shard] = seen
	return seen, nil
}

func (m *memTable) renew(_ context.Context, by, next row) error {
	if err := m.call("renew"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.rows[by.shard]
	if now.owner != by.owner || now.epoch != by.epoch || next.checkpoint != "" && stream.CompareSeq(now.checkpoint, next.checkpoint) > 0 {
		return errFenced
	}
	now.owner, now.counter, now.ended = next.owner, now.counter+1, now.ended || next.ended
	if next.checkpoint != "" {
		now.checkpoint = next.checkpoint
	}
	if !next.caughtUp.IsZero() {
		now.caughtUp = next.caughtUp
	}
	m.rows[by.shard] = now
	return nil
}

func (m *memTable) remove(_ context.Context, shard string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows[shard].ended {
		delete(m.rows, shard)
	}
	return nil
}

func (m *memTable) beat(_ context.Context, worker string) error {
	if err := m.call("beat"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.workers[worker]++
	return nil
}

func (m *memTable) bury(_ context.Context, worker string, seen int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workers[worker] == seen {
		delete(m.workers, worker)
	}
	return nil
}

func (m *memTable) leave(_ context.Context, worker string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.workers, worker)
	return nil
}

// steal gives a lease to somebody else, whatever its owner does.
func (m *memTable) steal(shard, owner, checkpoint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[shard]
	r.owner, r.checkpoint = owner, checkpoint
	r.epoch++
	r.counter++
	m.rows[shard] = r
}

func (m *memTable) row(shard string) row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[shard]
}
