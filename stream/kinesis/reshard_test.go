package kinesis

import (
	"math/big"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func merge(t testing.TB, name string, a, b types.Shard) {
	t.Helper()
	client := testClient(name)
	_, err := client.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: aws.String(name), ShardToMerge: a.ShardId, AdjacentShardToMerge: b.ShardId})
	if err != nil {
		t.Fatalf("merge %s and %s: %v", *a.ShardId, *b.ShardId, err)
	}
	awaitActive(t, client, name)
}

func split(t testing.TB, name string, s types.Shard) {
	t.Helper()
	from, ok := new(big.Int).SetString(*s.HashKeyRange.StartingHashKey, 10)
	to, ok2 := new(big.Int).SetString(*s.HashKeyRange.EndingHashKey, 10)
	if !ok || !ok2 {
		t.Fatalf("hash keys of %s are no numbers", *s.ShardId)
	}
	middle := from.Add(from, to)
	client := testClient(name)
	_, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(name), ShardToSplit: s.ShardId, NewStartingHashKey: aws.String(middle.Rsh(middle, 1).String()),
	})
	if err != nil {
		t.Fatalf("split %s: %v", *s.ShardId, err)
	}
	awaitActive(t, client, name)
}
