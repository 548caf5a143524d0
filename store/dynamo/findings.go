package dynamo

import (
	"context"
	"fmt"
	"math"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// finding decodes a row with its evidence. The revision is 0 if there is none.
func (s *Store) finding(it item) (f qrie.Finding, revision int64, err error) {
	if it == nil {
		return f, 0, nil
	}
	return f, it.num("Revision"), s.pack.decode("finding "+it.str("FindingId"), it.bytes("Body"), &f)
}

// findingRow is a finding as it is stored. Beside the whole of it are its
// places in the indexes and what a list checks without reading the whole. Its
// account's service is spread over so many buckets.
func (s *Store) findingRow(f qrie.Finding, revision int64, buckets int) (item, error) {
	row := s.row(findingsTable, f.ID, "")
	var err error
	if row["Body"], err = s.pack.encode("finding "+f.ID, f); err != nil {
		return nil, err
	}
	bucket := bucketOf(f.ID, listBuckets)
	row["Revision"] = number(revision)
	row["Resource"], row["Policy"], row["Account"] = text(f.Ref.ResourceID()), text(f.Policy), text(f.Ref.Account)
	row["Region"], row["Type"], row["OpenedAt"] = text(f.Ref.Region), text(f.Ref.Type), number(nanos(f.OpenedAt))
	row["Haystack"] = text(store.Haystack(f.Ref.ARN, f.Name, f.Summary))
	row["Order"] = text(orderOf(f))
	row["StateShelf"] = text(stateShelf(f.State, bucket))
	row["PolicyShelf"] = text(policyShelf(f.State, kind{f.Policy, f.Ref.Type}, bucket))
	row["AccountService"] = text(ownerShelf(f.State, f.Ref.AccountService(), bucketOf(f.ID, buckets)))
	return row, nil
}

// orderOf is where a finding stands in every list: by severity from the worst
// down, then by the last change from the newest back, then by id.
func orderOf(f qrie.Finding) string {
	return rankKey(f.Severity) + digits(math.MaxInt64-nanos(f.ChangedAt)) + "#" + f.ID
}

func rankKey(severity qrie.Severity) string { return fmt.Sprintf("%03d#", 100-severity) }

func stateShelf(state qrie.State, bucket int) string { return fmt.Sprintf("%s#%d", state, bucket) }

func policyShelf(state qrie.State, k kind, bucket int) string {
	return fmt.Sprintf("%s#%s#%s#%d", state, k.policy, k.resourceType, bucket)
}

func ownerShelf(state qrie.State, accountService string, bucket int) string {
	return fmt.Sprintf("%s#%s#%d", state, accountService, bucket)
}

// Finding reads one finding with its evidence.
func (s *Store) Finding(ctx context.Context, id string) (f qrie.Finding, err error) {
	defer s.metrics.Request("qrie_findings", "get")(&err)
	missing := fmt.Errorf("finding %s: %w", id, qrie.ErrNotFound)
	if !validID(findingPrefix, id) {
		return f, missing
	}
	it, err := s.get(ctx, findingsTable, id, "")
	if err != nil {
		return f, fmt.Errorf("read finding %s: %w", id, err)
	}
	f, revision, err := s.finding(it)
	if err != nil {
		return f, err
	}
	if revision == 0 {
		return f, missing
	}
	all := []qrie.Finding{f}
	err = s.join(ctx, all)
	return all[0], err
}

// join fills what findings share with their resources.
func (s *Store) join(ctx context.Context, findings []qrie.Finding) error {
	keys := make([]key, len(findings))
	for i, f := range findings {
		keys[i] = key{pk: f.Ref.ResourceID()}
	}
	rows, err := s.many(ctx, resourcesTable, keys, "#ResourceId, #ObservedAt, #Heads")
	if err != nil {
		return fmt.Errorf("read the resources of findings: %w", err)
	}
	for i := range findings {
		it := rows[keys[i]]
		if it == nil {
			store.Join(&findings[i], nil)
			continue
		}
		r := store.Resource{ObservedAt: moment(it.num("ObservedAt"))}
		if err := s.pack.decode("heads", it.bytes("Heads"), &r.Heads); err != nil {
			return err
		}
		store.Join(&findings[i], &r)
	}
	return nil
}
