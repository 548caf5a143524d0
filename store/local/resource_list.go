package local

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// resourcePlace is where a row stands in the order of resources.
type resourcePlace struct {
	Type    string `json:"t"`
	Account string `json:"a"`
	Region  string `json:"r"`
	ID      string `json:"i"`
}

// stretch is a part of the order that lies together: all resources of a type,
// or those of one account in it.
type stretch struct {
	resourceType string
	account      string // empty: every account
}

// before reports that the stretch ends before the place.
func (s stretch) before(p resourcePlace) bool {
	return s.resourceType < p.Type || s.resourceType == p.Type && s.account != "" && s.account < p.Account
}

// ListResources reads stretch after stretch of the order. Types are few and
// known, so that a filter by service or type never reads past the others.
func (s *Store) ListResources(ctx context.Context, q store.ResourceQuery, p store.PageRequest) (page store.Page[store.Resource], err error) {
	defer s.metrics.Request("qrie_resources", "list")(&err)
	q = q.Normal()
	var at resourcePlace
	if p.Token != "" {
		if err := s.signer.Open("resources", p.Bound(q), p.Token, &at); err != nil {
			return page, err
		}
	}
	if err := s.names.load(ctx, s.db); err != nil {
		return page, fmt.Errorf("list resources: %w", err)
	}
	l := resourceList{store: s, q: q, size: p.PageSize(), at: at}
	more, err := l.run(ctx)
	if err != nil {
		return page, fmt.Errorf("list resources: %w", err)
	}
	page.Items = l.found
	if more {
		page.Next, err = s.signer.Seal("resources", p.Bound(q), l.at)
	}
	return page, err
}

type resourceList struct {
	store *Store
	q     store.ResourceQuery
	size  int
	at    resourcePlace // of the last row looked at
	found []store.Resource
	read  int
}

// afterAccounts sorts behind every account id.
const afterAccounts = "~"

// maxStretches bounds the index reads of one page: many accounts in a filter
// may have nothing of a type.
const maxStretches = 500

// run reads until the page is full, the bound is reached or all is read.
func (l *resourceList) run(ctx context.Context) (more bool, err error) {
	reads := 0
	for _, st := range l.stretches() {
		if st.before(l.at) {
			continue
		}
		if reads == maxStretches {
			return true, nil
		}
		reads++
		if more, err := l.stretch(ctx, st); more || err != nil {
			return more, err
		}
		// The next page need not look at it again.
		if l.at.Type != st.resourceType || st.account != "" {
			l.at = resourcePlace{Type: st.resourceType, Account: st.account + afterAccounts}
		}
	}
	return false, nil
}

func (l *resourceList) stretches() []stretch {
	var out []stretch
	for _, t := range l.store.names.texts(typeName) {
		if !among(l.q.Types, t) || !among(l.q.Services, qrie.ServiceOf(t)) {
			continue
		}
		if len(l.q.Accounts) == 0 {
			out = append(out, stretch{resourceType: t})
		}
		for _, account := range l.q.Accounts {
			out = append(out, stretch{t, account})
		}
	}
	return out
}

// stretch reads on in one stretch. more says that the page ends here.
func (l *resourceList) stretch(ctx context.Context, st stretch) (more bool, err error) {
	limit := maxRowsRead - l.read
	if limit <= 0 {
		return true, nil
	}
	if !l.checked() {
		limit = min(limit, l.size-len(l.found)+1)
	}
	query, args := l.query(st, limit)
	rows, err := l.store.db.Query(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var row resourceRow
		var matches bool
		if err := rows.Scan(append(row.into(), &matches, &row.document)...); err != nil {
			return false, err
		}
		n++
		if len(l.found) == l.size {
			return true, nil // at is still the last row given
		}
		l.at = resourcePlace{row.kind, row.account, row.region, row.id}
		if !matches {
			continue
		}
		r, err := row.resource()
		if err != nil {
			return false, err
		}
		l.found = append(l.found, r)
	}
	l.read += n
	return n == limit, rows.Err()
}

// checked reports that rows which the index gives may not meet the filter. By
// default tombstones do not.
func (l *resourceList) checked() bool {
	return !l.q.Deleted || len(l.q.Regions) > 0 || l.q.Text != "" || l.q.Failing != nil ||
		!l.q.ListedBefore.IsZero()
}

// query is the text and the arguments of a read. There are few texts: each is
// prepared once.
func (l *resourceList) query(st stretch, limit int) (string, []any) {
	failing := int64(-1)
	index := "qrie_resources_list"
	narrow := ""
	if l.q.Failing != nil && *l.q.Failing {
		failing, index, narrow = 1, "qrie_resources_failing", " AND open > 0"
	}
	if l.q.Failing != nil && !*l.q.Failing {
		failing = 0
	}
	var b strings.Builder
	b.WriteString("SELECT " + resourceColumns + `,
		(?1 IS NULL OR region IN (SELECT value FROM json_each(?1))) AND (?2 = '' OR instr(haystack, ?2) > 0) AND
		(?3 < 0 OR (open > 0) = ?3) AND (?4 OR NOT deleted) AND (?5 = 0 OR listed_at < ?5)`)
	if l.q.WithDocument {
		b.WriteString(", (SELECT v.document FROM qrie_versions v WHERE v.n = r.document)")
	} else {
		b.WriteString(", NULL")
	}
	b.WriteString(" FROM qrie_resources r INDEXED BY " + index + " WHERE type = ?6" + narrow)
	args := []any{jsonList(l.q.Regions), l.q.Text, failing, asInt(l.q.Deleted), nanos(l.q.ListedBefore), st.resourceType}
	after := resourcePlace{Type: st.resourceType, Account: st.account}
	if l.at.Type == st.resourceType && (st.account == "" || l.at.Account == st.account) {
		after = l.at
	}
	if st.account == "" {
		b.WriteString(" AND (account, region, id) > (?7, ?8, ?9) ORDER BY account, region, id LIMIT ?10")
	} else {
		b.WriteString(" AND account = ?7 AND (region, id) > (?8, ?9) ORDER BY region, id LIMIT ?10")
	}
	return b.String(), append(slices.Clip(args), after.Account, after.Region, after.ID, limit)
}

func scanVersion(resource string) func(*sql.Rows) (store.Version, error) {
	return func(r *sql.Rows) (v store.Version, err error) {
		var observedAt int64
		var cause []byte
		v.Resource = resource
		if err := r.Scan(&v.Version, &observedAt, &v.Deleted, &cause); err != nil {
			return v, err
		}
		v.ObservedAt = moment(observedAt)
		return v, decode("the cause of a version", cause, &v.Cause)
	}
}

const dueQuery = "SELECT " + shownColumns + " FROM qrie_resources r INDEXED BY qrie_resources_due WHERE due_at > 0 AND due_at <= ? ORDER BY due_at, n LIMIT ?"

// DueResources reads what is due by the clock, earliest first.
func (s *Store) DueResources(ctx context.Context, now time.Time, limit int) (due []qrie.Ref, err error) {
	defer s.metrics.Request("qrie_resources", "due")(&err)
	rows, err := s.db.Query(ctx, dueQuery, nanos(now), limit)
	due, err = collect(rows, err, func(r *sql.Rows) (qrie.Ref, error) {
		var row stateRow
		if err := r.Scan(row.shown()...); err != nil {
			return qrie.Ref{}, err
		}
		found, err := row.resource()
		return found.Ref, err
	})
	if err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	return due, nil
}
