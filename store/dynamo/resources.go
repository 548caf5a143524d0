package dynamo

import (
	"context"
	"fmt"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// detail is what of a resource changes with its document only.
type detail struct {
	ARN        string            `json:"arn,omitempty"`
	Name       string            `json:"name,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Cause      qrie.Cause        `json:"cause"`
	Explained  []string          `json:"explained,omitempty"`
	Missing    []qrie.Missing    `json:"missing,omitempty"`
	Ties       string            `json:"ties,omitempty"`
	Unfinished bool              `json:"unfinished,omitempty"`
}

// listBuckets spreads each shelf of an index: a partition takes 1,000 writes a
// second, and an index that is throttled throttles its table.
const listBuckets = 8

// stored is a resource with what only this package knows of it.
type stored struct {
	store.Resource
	document string   // the sort key of the version that holds it
	history  int64    // entries of the history, at least
	known    []string // policies that have or had a finding on it
}

// resourceRow is a resource as it is stored. What an observation without
// change writes anew is in no index.
func (s *Store) resourceRow(r stored) (item, error) {
	id := r.Ref.ResourceID()
	row := s.row(resourcesTable, id, "")
	for name, n := range map[string]int64{"Version": r.Version, "ObservedAt": nanos(r.ObservedAt), "ListedAt": nanos(r.ListedAt),
		"ChangedAt": nanos(r.ChangedAt), "FirstSeen": nanos(r.FirstSeen), "Generation": r.Generation, "History": r.history} {
		row[name] = number(n)
	}
	row["Type"], row["Account"], row["Region"], row["Id"] = text(r.Ref.Type), text(r.Ref.Account), text(r.Ref.Region), text(r.Ref.ID)
	row["Hash"], row["Document"] = text(r.Hash), text(r.document)
	if r.Ref.Global {
		row["Global"] = flag(true)
	}
	if r.Deleted {
		row["Deleted"] = flag(true)
	}
	if len(r.known) > 0 {
		row["Known"] = texts(r.known)
	}
	var err error
	if row["Heads"], err = s.pack.encode("the heads of "+id, r.Heads); err != nil {
		return nil, err
	}
	if row["Detail"], err = s.pack.encode("the detail of "+id, detail{ARN: r.Ref.ARN, Name: r.Name, Tags: r.Tags, Cause: r.Cause,
		Explained: r.Explained, Missing: r.Missing, Ties: r.Ties, Unfinished: r.Unfinished}); err != nil {
		return nil, err
	}
	shelf := text(shelfOf(r.Ref.Type, bucketOf(id, listBuckets)))
	row["Place"], row["Shelf"] = text(placeOf(r.Ref)), shelf
	if open, _ := r.OpenFindings(); open > 0 {
		row["FailShelf"] = shelf
	}
	if !r.DueAt.IsZero() {
		row["DueAt"], row["DueShelf"] = number(nanos(r.DueAt)), text(dueShelf(bucketOf(id, listBuckets)))
		row["Due"] = text(digits(nanos(r.DueAt)) + "#" + id)
	}
	return row, nil
}

func shelfOf(resourceType string, bucket int) string {
	return fmt.Sprintf("%s#%d", resourceType, bucket)
}

const (
	placeSeparator = "\x01"
	maxPlaceID     = 900 // bytes of an id that count for its place
)

// placeOf is where a resource stands among those of its type. Of ids that
// begin with the same 900 bytes the order is that of their hashes.
func placeOf(ref qrie.Ref) string {
	id := ref.ID
	if len(id) > maxPlaceID {
		id = id[:maxPlaceID]
		for len(id) > 0 && id[len(id)-1]&0xc0 == 0x80 { // do not cut a letter in two
			id = id[:len(id)-1]
		}
		if id != "" && id[len(id)-1] >= 0xc0 {
			id = id[:len(id)-1]
		}
		id += placeSeparator + ref.ResourceID()
	}
	return ref.Account + placeSeparator + ref.Region + placeSeparator + id
}

// resource decodes a row.
func (s *Store) resource(it item) (r stored, err error) {
	r.Ref = qrie.Ref{Account: it.str("Account"), Region: it.str("Region"), Type: it.str("Type"), ID: it.str("Id"), Global: it.flag("Global")}
	r.Version, r.Generation, r.history = it.num("Version"), it.num("Generation"), it.num("History")
	r.ObservedAt, r.ListedAt, r.ChangedAt = moment(it.num("ObservedAt")), moment(it.num("ListedAt")), moment(it.num("ChangedAt"))
	r.FirstSeen, r.DueAt = moment(it.num("FirstSeen")), moment(it.num("DueAt"))
	r.Deleted, r.Hash, r.document, r.known = it.flag("Deleted"), it.str("Hash"), it.str("Document"), it.list("Known")
	what := r.Ref.Type + " " + r.Ref.ID
	if err := s.pack.decode("the heads of "+what, it.bytes("Heads"), &r.Heads); err != nil {
		return r, err
	}
	var d detail
	if err := s.pack.decode("the detail of "+what, it.bytes("Detail"), &d); err != nil {
		return r, err
	}
	r.Ref.ARN, r.Name, r.Tags, r.Cause = d.ARN, d.Name, d.Tags, d.Cause
	r.Explained, r.Missing, r.Ties, r.Unfinished = d.Explained, d.Missing, d.Ties, d.Unfinished
	return r, nil
}

// state reads a resource; Version is 0 if there is none.
func (s *Store) state(ctx context.Context, id string) (r stored, err error) {
	it, err := s.get(ctx, resourcesTable, id, "")
	if it == nil || err != nil {
		return r, err
	}
	return s.resource(it)
}

// ResourceState reads a resource by what identifies it, without the document.
func (s *Store) ResourceState(ctx context.Context, ref qrie.Ref) (r store.Resource, err error) {
	defer s.metrics.Request("qrie_resources", "state")(&err)
	row, err := s.state(ctx, ref.ResourceID())
	if err != nil {
		return r, fmt.Errorf("read %s: %w", ref, err)
	}
	if row.Version == 0 {
		return r, fmt.Errorf("%s: %w", ref, qrie.ErrNotFound)
	}
	row.Cause = qrie.Cause{}
	return row.Resource, nil
}

// Resource reads a resource by id, with the document.
func (s *Store) Resource(ctx context.Context, id string) (r store.Resource, err error) {
	defer s.metrics.Request("qrie_resources", "get")(&err)
	missing := fmt.Errorf("resource %s: %w", id, qrie.ErrNotFound)
	if !validID(resourcePrefix, id) {
		return r, missing
	}
	row, err := s.state(ctx, id)
	if err != nil {
		return r, fmt.Errorf("read resource %s: %w", id, err)
	}
	if row.Version == 0 {
		return r, missing
	}
	err = s.documentInto(ctx, &row)
	return row.Resource, err
}

// documentInto reads the present document of a resource.
func (s *Store) documentInto(ctx context.Context, r *stored) error {
	id := r.Ref.ResourceID()
	if r.Deleted {
		return nil
	}
	it, err := s.get(ctx, versionsTable, id, r.document)
	if err != nil {
		return fmt.Errorf("read the document of %s: %w", r.Ref, err)
	}
	r.Document, err = s.document(ctx, it)
	return err
}

func dueShelf(bucket int) string { return fmt.Sprintf("due#%d", bucket) }

// DueResources reads what is due by the clock, earliest first.
func (s *Store) DueResources(ctx context.Context, now time.Time, limit int) (due []qrie.Ref, err error) {
	defer s.metrics.Request("qrie_resources", "due")(&err)
	m := merge{c: s.client, bound: limit + listBuckets*maxFetch}
	for b := range listBuckets {
		m.sources = append(m.sources, &source{fetch: 25, stretch: stretch{table: resourcesTable, index: &resourcesDue, pk: dueShelf(b),
			low: lowest(""), high: digits(nanos(now)) + "#" + highest("")}})
	}
	for len(due) < limit {
		r, ok, err := m.next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read what is due: %w", err)
		}
		if !ok {
			break
		}
		due = append(due, qrie.Ref{Account: r.item.str("Account"), Region: r.item.str("Region"), Type: r.item.str("Type"),
			ID: r.item.str("Id"), Global: r.item.flag("Global")})
	}
	return due, nil
}
