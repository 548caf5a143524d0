package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// statements prepares each query once. The set of queries must be bounded:
// values belong into arguments, never into the text.
type statements struct {
	prepare func(context.Context, string) (*sql.Stmt, error)
	mu      sync.RWMutex
	known   map[string]*sql.Stmt
}

func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.known[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.known[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	if s.known == nil {
		s.known = map[string]*sql.Stmt{}
	}
	s.known[query] = stmt
	return stmt, nil
}

func (s *statements) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

func (s *statements) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (s *statements) queryRow(ctx context.Context, query string, args ...any) Row {
	stmt, err := s.get(ctx, query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: stmt.QueryRowContext(ctx, args...)}
}

func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stmt := range s.known {
		errs = append(errs, stmt.Close())
	}
	s.known = nil
	return errors.Join(errs...)
}

// Row is the one row that a query may give.
type Row struct {
	row *sql.Row
	err error
}

// Scan copies the columns, or returns sql.ErrNoRows.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return explain(r.row.Scan(dest...))
}

// Tx is the transaction of one Write. It is unsafe for concurrent use.
type Tx struct {
	db   *DB
	open []*sql.Rows
}

// run calls fn. Rows that fn left open are closed: they would hold the
// snapshot of this transaction, and no later one could begin.
func (tx *Tx) run(fn func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("BUG: panic in a write: %v", p)
		}
		for _, rows := range tx.open {
			rows.Close()
		}
	}()
	return fn(tx)
}

// Exec runs a statement, prepared once for the life of the file.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	res, err := tx.db.stmts.exec(context.Background(), query, args...)
	return res, explain(err)
}

// Query reads within the transaction. The rows must be closed before the next
// call on tx.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	rows, err := tx.db.stmts.query(context.Background(), query, args...)
	if err != nil {
		return nil, explain(err)
	}
	tx.open = append(tx.open, rows)
	return rows, nil
}

// QueryRow reads one row within the transaction.
func (tx *Tx) QueryRow(query string, args ...any) Row {
	return tx.db.stmts.queryRow(context.Background(), query, args...)
}

// script runs several statements that are used once.
func (tx *Tx) script(text string) error {
	_, err := tx.db.write.ExecContext(context.Background(), text)
	return explain(err)
}
