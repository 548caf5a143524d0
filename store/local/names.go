package local

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
)

// name is a word that findings hold as a small number.
type name struct{ sort, text string }

// The sorts of name.
const (
	accountName = "account"
	regionName  = "region"
	serviceName = "service"
	typeName    = "type"
	kindName    = "kind" // a policy and its resource type
)

const kindSeparator = "\x1f"

func kindOf(policy, resourceType string) name {
	return name{kindName, policy + kindSeparator + resourceType}
}

// kind is a policy and its resource type, read back.
type kind struct {
	n                    int64
	policy, resourceType string
}

func (k kind) service() string { return qrie.ServiceOf(k.resourceType) }

// names is the table of names in memory. It holds committed names only, and
// names are never removed. Their number is that of accounts, Regions, types
// and policies ever seen.
type names struct {
	mu   sync.RWMutex
	ids  map[name]int64
	kind []kind // sorted by policy and type
	read int64  // up to which number the table was read
}

// load reads the names that are new since it was last called, also those of
// other processes. Lists begin with it.
func (t *names) load(ctx context.Context, db *sqlite.DB) error {
	type row struct {
		name
		n int64
	}
	t.mu.RLock()
	read := t.read
	t.mu.RUnlock()
	rows, err := db.Query(ctx, "SELECT n, sort, name FROM qrie_names WHERE n > ? ORDER BY n", read)
	all, err := collect(rows, err, func(r *sql.Rows) (v row, err error) { return v, r.Scan(&v.n, &v.sort, &v.text) })
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	if len(all) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range all {
		t.add(r.name, r.n)
		t.read = max(t.read, r.n)
	}
	return nil
}

// add is called with the lock held.
func (t *names) add(key name, n int64) {
	if t.ids == nil {
		t.ids = map[name]int64{}
	}
	if _, ok := t.ids[key]; ok {
		return
	}
	t.ids[key] = n
	if key.sort != kindName {
		return
	}
	policy, resourceType, _ := strings.Cut(key.text, kindSeparator)
	// Readers hold the old slice.
	t.kind = append(slices.Clone(t.kind), kind{n, policy, resourceType})
	slices.SortFunc(t.kind, func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.policy, b.policy), cmp.Compare(a.resourceType, b.resourceType))
	})
}

// id is the number of a known name.
func (t *names) id(key name) (int64, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, ok := t.ids[key]
	return n, ok
}

// kinds are the known policies with their types.
func (t *names) kinds() []kind {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.kind
}

// texts are the known names of a sort, sorted.
func (t *names) texts(sort string) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []string
	for key := range t.ids {
		if key.sort == sort {
			out = append(out, key.text)
		}
	}
	slices.Sort(out)
	return out
}

// byID are the texts of a sort by number.
func (t *names) byID(sort string) map[int64]string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := map[int64]string{}
	for key, n := range t.ids {
		if key.sort == sort {
			out[n] = key.text
		}
	}
	return out
}

// know gives numbers to names that have none yet, in a transaction of its own
// and before the one that needs them: what is undone there must not be
// remembered here.
func (t *names) know(ctx context.Context, db *sqlite.DB, keys ...name) error {
	for _, key := range keys {
		if _, ok := t.id(key); ok {
			continue
		}
		var n int64
		err := db.Write(ctx, func(tx *sqlite.Tx) error {
			if _, err := tx.Exec("INSERT INTO qrie_names (sort, name) VALUES (?, ?) ON CONFLICT DO NOTHING", key.sort, key.text); err != nil {
				return err
			}
			return tx.QueryRow("SELECT n FROM qrie_names WHERE sort = ? AND name = ?", key.sort, key.text).Scan(&n)
		})
		if err != nil {
			return fmt.Errorf("note the %s %q: %w", key.sort, key.text, err)
		}
		t.mu.Lock()
		t.add(key, n)
		t.mu.Unlock()
	}
	return nil
}
