package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// versionKey begins the sort key of a version; what follows tells apart two
// that were written at once, of which one became the resource's.
func versionKey(version int64) string { return digits(version) + "#" }

func versionNumber(sk string) (n int64) {
	_, _ = fmt.Sscanf(sk[:min(len(sk), 19)], "%d", &n) // of keys this package wrote
	return n
}

// ListVersions gives the history of a resource, newest first. Each version
// names the one before it: one that lost a race, or whose writer died before
// the resource was written, is named by none and passed over.
func (s *Store) ListVersions(ctx context.Context, resource string, p store.PageRequest) (page store.Page[store.Version], err error) {
	defer s.metrics.Request("qrie_versions", "list")(&err)
	if !validID(resourcePrefix, resource) {
		return page, nil
	}
	var want string
	if p.Token != "" {
		if err := s.signer.Open("versions", p.Bound(resource), p.Token, &want); err != nil {
			return page, err
		}
	} else {
		r, err := s.state(ctx, resource)
		if err != nil {
			return page, fmt.Errorf("list versions of %s: %w", resource, err)
		}
		want = r.document
	}
	size := p.PageSize()
	part := stretch{table: versionsTable, pk: resource, low: "0", backwards: true, only: "#Version, #ObservedAt, #Deleted, #Cause, #Prev"}
	for want != "" {
		part.high, part.limit = want, size+1
		rows, _, done, err := s.read(ctx, part)
		if err != nil {
			return page, fmt.Errorf("list versions of %s: %w", resource, err)
		}
		moved := false
		for _, it := range rows {
			if it.str("Version") != want {
				continue
			}
			if len(page.Items) == size {
				page.Next, err = s.signer.Seal("versions", p.Bound(resource), want)
				return page, err
			}
			v, err := s.version(resource, it)
			if err != nil {
				return page, err
			}
			page.Items = append(page.Items, v)
			want, moved = it.str("Prev"), true
		}
		if done || !moved {
			return page, nil
		}
	}
	return page, nil
}

func (s *Store) version(resource string, it item) (v store.Version, err error) {
	v = store.Version{Resource: resource, Version: versionNumber(it.str("Version")), ObservedAt: moment(it.num("ObservedAt")), Deleted: it.flag("Deleted")}
	return v, s.pack.decode("the cause of a version", it.bytes("Cause"), &v.Cause)
}

// ResourceVersion reads one entry with its document.
func (s *Store) ResourceVersion(ctx context.Context, resource string, version int64) (v store.Version, err error) {
	defer s.metrics.Request("qrie_versions", "get")(&err)
	missing := fmt.Errorf("version %d of resource %s: %w", version, resource, qrie.ErrNotFound)
	if !validID(resourcePrefix, resource) || version <= 0 {
		return v, missing
	}
	r, err := s.state(ctx, resource)
	if err != nil {
		return v, fmt.Errorf("read resource %s: %w", resource, err)
	}
	// Those of this number, and their successors, which name the real one.
	rows, _, _, err := s.read(ctx, stretch{table: versionsTable, pk: resource, low: versionKey(version), limit: 20, only: "#Version, #Prev"})
	if err != nil {
		return v, fmt.Errorf("read version %d of resource %s: %w", version, resource, err)
	}
	named := map[string]bool{r.document: true}
	for _, it := range rows {
		named[it.str("Prev")] = true
	}
	for _, it := range rows {
		sk := it.str("Version")
		if versionNumber(sk) != version || !named[sk] {
			continue
		}
		whole, err := s.get(ctx, versionsTable, resource, sk)
		if err != nil {
			return v, fmt.Errorf("read version %d of resource %s: %w", version, resource, err)
		}
		if whole == nil {
			return v, missing // trimmed meanwhile
		}
		if v, err = s.version(resource, whole); err != nil {
			return v, err
		}
		v.Document, err = s.document(ctx, whole)
		return v, err
	}
	return v, missing
}

// maxInline bytes of a compressed document lie in the version's row. The rest
// of DynamoDB's 400 KB is for the keys and the cause.
const maxInline = 300 << 10

// chunkPart is the partition of a document's further chunks.
func chunkPart(resource string) string { return "doc#" + resource }

func chunkKey(version string, n int) string { return fmt.Sprintf("%s#%03d", version, n) }

// document reads a version's document, also one that is spread over rows.
func (s *Store) document(ctx context.Context, it item) (json.RawMessage, error) {
	packed := it.bytes("Document")
	id, sk := it.str("ResourceId"), it.str("Version")
	for n := range it.num("Chunks") {
		chunk, err := s.get(ctx, versionsTable, chunkPart(id), chunkKey(sk, int(n)))
		if err != nil {
			return nil, fmt.Errorf("read the document of %s: %w", id, err)
		}
		packed = append(packed, chunk.bytes("Document")...)
	}
	return s.pack.expand("the document of "+cmp.Or(id, "a resource"), packed)
}
