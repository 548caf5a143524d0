package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// detail is what of a resource changes with its document only.
type detail struct {
	ARN        string            `json:"arn,omitempty"`
	Name       string            `json:"name,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Explained  []string          `json:"explained,omitempty"`
	Missing    []qrie.Missing    `json:"missing,omitempty"`
	Ties       string            `json:"ties,omitempty"`
	Unfinished bool              `json:"unfinished,omitempty"`
}

// resourceColumns are of a query FROM qrie_resources r. The cause is where the
// document is, with the last change.
const resourceColumns = shownColumns + ", (SELECT v.cause FROM qrie_versions v WHERE v.n = r.document)"

const shownColumns = `r.version, r.observed_at, r.listed_at, r.generation, r.changed_at, r.first_seen, r.due_at, r.deleted,
	r.type, r.account, r.region, r.id, r.global, r.hash, r.heads, r.detail`

// stateQuery reads the row of a resource, with what its next write must know.
const stateQuery = "SELECT " + shownColumns + `, r.n, r.open, r.history, r.document, r.again_at, r.again_n, r.look, r.looks,
	r.again_from, r.again_settles, r.again_since
	FROM qrie_resources r WHERE r.rid = ?`

// stateRow is what stateQuery gives.
type stateRow struct {
	version, generation                               int64
	observedAt, listedAt, changedAt, firstSeen, dueAt int64
	deleted, global                                   bool
	kind, account, region, id, hash                   string
	heads, detail                                     []byte

	n        int64 // the row's number, 0 if it is none yet
	open     int   // active findings
	history  int64 // entries in qrie_versions, at least
	document int64 // the row of qrie_versions that holds it
	again    again
}

// what names the resource in an error.
func (r *stateRow) what() string { return r.kind + " " + r.id }

// shown is where shownColumns go, and into where all that stateQuery reads goes.
func (r *stateRow) shown() []any {
	return []any{&r.version, &r.observedAt, &r.listedAt, &r.generation, &r.changedAt, &r.firstSeen, &r.dueAt, &r.deleted,
		&r.kind, &r.account, &r.region, &r.id, &r.global, &r.hash, &r.heads, &r.detail}
}

func (r *stateRow) into() []any {
	return append(r.shown(), &r.n, &r.open, &r.history, &r.document, &r.again.at, &r.again.n, &r.again.look, &r.again.looks,
		&r.again.from, &r.again.settles, &r.again.since)
}

// resource decodes the row.
func (r *stateRow) resource() (store.Resource, error) {
	var d detail
	if err := decode("the detail", r.detail, &d); err != nil {
		return store.Resource{}, fmt.Errorf("%s: %w", r.what(), err)
	}
	out := store.Resource{
		Ref:     qrie.Ref{Type: r.kind, Account: r.account, Region: r.region, ID: r.id, ARN: d.ARN, Global: r.global},
		Version: r.version, Generation: r.generation, Deleted: r.deleted, Hash: r.hash,
		ObservedAt: moment(r.observedAt), ListedAt: moment(r.listedAt), ChangedAt: moment(r.changedAt),
		FirstSeen: moment(r.firstSeen), DueAt: moment(r.dueAt),
		Name: d.Name, Tags: d.Tags, Explained: d.Explained, Missing: d.Missing, Ties: d.Ties, Unfinished: d.Unfinished,
	}
	if err := decode("the heads", r.heads, &out.Heads); err != nil {
		return store.Resource{}, fmt.Errorf("%s: %w", r.what(), err)
	}
	return out, nil
}

// verdicts gives what a write must know of the resource. Heads that are encoded as the
// given ones are not decoded again.
func (r *stateRow) verdicts(encoded []byte, heads map[string]store.Head) (store.Resource, error) {
	out := store.Resource{Ref: qrie.Ref{Type: r.kind, Account: r.account, Region: r.region, ID: r.id, Global: r.global},
		Version: r.version, Generation: r.generation, Deleted: r.deleted, Hash: r.hash,
		ObservedAt: moment(r.observedAt), ChangedAt: moment(r.changedAt), Heads: heads}
	if bytes.Equal(r.heads, encoded) {
		return out, nil
	}
	out.Heads = nil
	if r.n == 0 {
		return out, nil
	}
	err := decode("the heads of "+r.what(), r.heads, &out.Heads)
	return out, err
}

// readRow reads the row of a resource, or gives what is known of one that has none.
func readRow(tx *sqlite.Tx, ref qrie.Ref, rid []byte) (*stateRow, error) {
	row := new(stateRow)
	err := tx.QueryRow(stateQuery, rid).Scan(row.into()...)
	if absent(err) {
		return &stateRow{kind: ref.Type, account: ref.Account, region: ref.Region, id: strings.Clone(ref.ID), global: ref.Global}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	return row, nil
}

// resourceRow is a row with what belongs to its last change.
type resourceRow struct {
	stateRow
	cause, document []byte
}

func (r *resourceRow) into() []any { return append(r.shown(), &r.cause) }

// resource decodes the row.
func (r *resourceRow) resource() (store.Resource, error) {
	out, err := r.stateRow.resource()
	if err == nil && r.cause != nil {
		err = decode("the cause of "+r.what(), r.cause, &out.Cause)
	}
	if err == nil {
		out.Document, err = expand("the document of "+r.what(), r.document)
	}
	return out, err
}

// ResourceState reads a resource by what identifies it, from its row alone.
func (s *Store) ResourceState(ctx context.Context, ref qrie.Ref) (r store.Resource, err error) {
	defer s.metrics.Request("qrie_resources", "state")(&err)
	rid, ok := pack(resourcePrefix, ref.ResourceID())
	if !ok {
		return r, fmt.Errorf("BUG: the id of %s cannot be packed", ref)
	}
	if row := s.states.get(rid); row != nil {
		return row.resource()
	}
	row := new(stateRow)
	err = s.db.QueryRow(ctx, stateQuery, rid).Scan(row.into()...)
	if absent(err) {
		return r, fmt.Errorf("%s: %w", ref, qrie.ErrNotFound)
	}
	if err != nil {
		return r, fmt.Errorf("read %s: %w", ref, err)
	}
	s.states.read(rid, row)
	return row.resource()
}

// Resource reads a resource by id, with the document.
func (s *Store) Resource(ctx context.Context, id string) (r store.Resource, err error) {
	defer s.metrics.Request("qrie_resources", "get")(&err)
	rid, ok := pack(resourcePrefix, id)
	if !ok {
		return r, fmt.Errorf("resource %s: %w", id, qrie.ErrNotFound)
	}
	var row resourceRow
	err = s.db.QueryRow(ctx, "SELECT "+resourceColumns+`, (SELECT v.document FROM qrie_versions v WHERE v.n = r.document)
		FROM qrie_resources r WHERE r.rid = ?`, rid).Scan(append(row.into(), &row.document)...)
	if absent(err) {
		return r, fmt.Errorf("resource %s: %w", id, qrie.ErrNotFound)
	}
	if err != nil {
		return r, fmt.Errorf("read resource %s: %w", id, err)
	}
	return row.resource()
}

// chainQuery begins a query of the versions from one on back, and versionsOf of
// those of a resource: of each its n and its depth, from 1. There are some more than
// MaxVersions at the most. One that was trimmed ends them: its number is not given
// again for as long as a later one of the resource exists.
const (
	chainQuery = chainBegin + "?" + chainEnd
	versionsOf = chainBegin + "(SELECT document FROM qrie_resources WHERE rid = ?)" + chainEnd

	chainBegin = "WITH RECURSIVE chain (n, before, depth) AS (SELECT v.n, v.before, 1 FROM qrie_versions v WHERE v.n = "
	chainEnd   = " UNION ALL SELECT v.n, v.before, depth + 1 FROM chain CROSS JOIN qrie_versions v ON v.n = chain.before) "
)

const versionsQuery = versionsOf + `SELECT version, observed_at, deleted, cause FROM chain CROSS JOIN qrie_versions USING (n)
	WHERE version < ? ORDER BY depth LIMIT ?`

// ListVersions gives the history of a resource, newest first.
func (s *Store) ListVersions(ctx context.Context, resource string, p store.PageRequest) (page store.Page[store.Version], err error) {
	defer s.metrics.Request("qrie_versions", "list")(&err)
	rid, ok := pack(resourcePrefix, resource)
	if !ok {
		return page, nil
	}
	before := int64(1)<<62 - 1
	if p.Token != "" {
		if err := s.signer.Open("versions", p.Bound(resource), p.Token, &before); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	rows, err := s.db.Query(ctx, versionsQuery, rid, before, size+1)
	page.Items, err = collect(rows, err, scanVersion(resource))
	if err != nil {
		return page, fmt.Errorf("list versions of %s: %w", resource, err)
	}
	if len(page.Items) > size {
		page.Items = page.Items[:size]
		page.Next, err = s.signer.Seal("versions", p.Bound(resource), page.Items[size-1].Version)
	}
	return page, err
}

// ResourceVersion reads one entry with its document.
func (s *Store) ResourceVersion(ctx context.Context, resource string, version int64) (v store.Version, err error) {
	defer s.metrics.Request("qrie_versions", "get")(&err)
	missing := fmt.Errorf("version %d of resource %s: %w", version, resource, qrie.ErrNotFound)
	rid, ok := pack(resourcePrefix, resource)
	if !ok {
		return v, missing
	}
	var document []byte
	var observedAt int64
	var cause []byte
	v.Resource, v.Version = resource, version
	err = s.db.QueryRow(ctx, versionsOf+"SELECT observed_at, deleted, cause, document FROM chain CROSS JOIN qrie_versions USING (n) WHERE version = ?", rid, version).
		Scan(&observedAt, &v.Deleted, &cause, &document)
	if absent(err) {
		return store.Version{}, missing
	}
	if err != nil {
		return v, fmt.Errorf("read version %d of resource %s: %w", version, resource, err)
	}
	v.ObservedAt = moment(observedAt)
	if err := decode("the cause of a version", cause, &v.Cause); err != nil {
		return v, err
	}
	plain, err := expand("the document of "+resource, document)
	v.Document = json.RawMessage(plain)
	return v, err
}
