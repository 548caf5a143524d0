package local

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/sqlite"
	"github.com/qrie-sec/qrie/store"
)

// PutAccount adds or replaces an account. The external id is kept in a column
// of its own, because the account's JSON leaves it out.
func (s *Store) PutAccount(ctx context.Context, a qrie.Account) (err error) {
	defer s.metrics.Request("qrie_accounts", "put")(&err)
	if !qrie.ValidAccountID(a.ID) {
		return fmt.Errorf("account id %q is not twelve digits", a.ID)
	}
	body, err := encode("account "+a.ID, a)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		n, err := affected(tx, `INSERT INTO qrie_accounts (id, external_id, body) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET external_id = excluded.external_id, body = excluded.body
			WHERE external_id <> excluded.external_id OR body <> excluded.body`, a.ID, a.ExternalID, body)
		if err != nil {
			return fmt.Errorf("write account %s: %w", a.ID, err)
		}
		if n == 0 {
			return nil
		}
		return stampAccounts(tx)
	})
}

// stampAccounts tells who reads the stamp that the accounts have changed.
func stampAccounts(tx *sqlite.Tx) error {
	if _, err := tx.Exec("UPDATE qrie_meta SET value = value + 1 WHERE name = 'accounts_stamp'"); err != nil {
		return fmt.Errorf("stamp the accounts: %w", err)
	}
	return nil
}

// AccountsStamp reads the stamp.
func (s *Store) AccountsStamp(ctx context.Context) (stamp int64, err error) {
	defer s.metrics.Request("qrie_accounts", "stamp")(&err)
	if err := s.db.QueryRow(ctx, "SELECT value FROM qrie_meta WHERE name = 'accounts_stamp'").Scan(&stamp); err != nil {
		return 0, fmt.Errorf("read the stamp of the accounts: %w", err)
	}
	return stamp, nil
}

// Account reads one account.
func (s *Store) Account(ctx context.Context, id string) (a qrie.Account, err error) {
	defer s.metrics.Request("qrie_accounts", "get")(&err)
	var body []byte
	var externalID string
	err = s.db.QueryRow(ctx, "SELECT external_id, body FROM qrie_accounts WHERE id = ?", id).Scan(&externalID, &body)
	if absent(err) {
		return a, fmt.Errorf("account %s: %w", id, qrie.ErrNotFound)
	}
	if err != nil {
		return a, fmt.Errorf("read account %s: %w", id, err)
	}
	err = decode("account "+id, body, &a)
	a.ExternalID = externalID
	return a, err
}

// ListAccounts reads every account, by id.
func (s *Store) ListAccounts(ctx context.Context) (all []qrie.Account, err error) {
	defer s.metrics.Request("qrie_accounts", "list")(&err)
	rows, err := s.db.Query(ctx, "SELECT external_id, body FROM qrie_accounts ORDER BY id")
	all, err = collect(rows, err, func(r *sql.Rows) (a qrie.Account, err error) {
		var body []byte
		var externalID string
		if err := r.Scan(&externalID, &body); err != nil {
			return a, err
		}
		err = decode("account", body, &a)
		a.ExternalID = externalID
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return all, nil
}

// DeleteAccount forgets an account. Its resources and findings stay until they
// are closed or trimmed.
func (s *Store) DeleteAccount(ctx context.Context, id string) (err error) {
	defer s.metrics.Request("qrie_accounts", "delete")(&err)
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if err := putHealth(tx, store.AccountHealth{Account: id}); err != nil {
			return err
		}
		if err := deleteOne(tx, "account "+id, "DELETE FROM qrie_accounts WHERE id = ?", id); err != nil {
			return err
		}
		return stampAccounts(tx)
	})
}

// deleteOne runs a DELETE and returns ErrNotFound if it found nothing.
func deleteOne(tx *sqlite.Tx, what, query string, args ...any) error {
	n, err := affected(tx, query, args...)
	if err != nil {
		return fmt.Errorf("delete %s: %w", what, err)
	}
	if n == 0 {
		return fmt.Errorf("%s: %w", what, qrie.ErrNotFound)
	}
	return nil
}

// affected runs a statement and counts the rows it changed.
func affected(tx *sqlite.Tx, query string, args ...any) (int64, error) {
	res, err := tx.Exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
