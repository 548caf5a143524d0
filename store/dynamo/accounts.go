package dynamo

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/qrie-sec/qrie"
)

// accountsPart holds every account, so that they can be listed in order. They
// are tens of thousands at the most, and rarely written.
const accountsPart = "accounts"

// PutAccount adds or replaces an account. The external id is kept apart,
// because the account's JSON leaves it out.
func (s *Store) PutAccount(ctx context.Context, a qrie.Account) (err error) {
	defer s.metrics.Request("qrie_accounts", "put")(&err)
	if !qrie.ValidAccountID(a.ID) {
		return fmt.Errorf("account id %q is not twelve digits", a.ID)
	}
	row := s.row(accountsTable, accountsPart, a.ID)
	row["ExternalId"] = text(a.ExternalID)
	if row["Body"], err = s.pack.encode("account "+a.ID, a); err != nil {
		return err
	}
	old, err := s.get(ctx, accountsTable, accountsPart, a.ID)
	if err != nil {
		return fmt.Errorf("read account %s: %w", a.ID, err)
	}
	if old != nil && old.str("ExternalId") == a.ExternalID && bytes.Equal(old.bytes("Body"), row.bytes("Body")) {
		return nil
	}
	tx := &transaction{c: s.client}
	tx.put(accountsTable, row, "", nil)
	tx.update(metaTable, metaPart, stampItem, stamped)
	if err := tx.commit(ctx); err != nil {
		return fmt.Errorf("write account %s: %w", a.ID, err)
	}
	return nil
}

// stamped tells who reads the stamp that the accounts have changed.
var stamped = change{update: "ADD #Stamp :one", values: item{":one": number(1)}}

// AccountsStamp reads the stamp, which is a row of its own.
func (s *Store) AccountsStamp(ctx context.Context) (stamp int64, err error) {
	defer s.metrics.Request("qrie_accounts", "stamp")(&err)
	it, err := s.get(ctx, metaTable, metaPart, stampItem)
	if err != nil {
		return 0, fmt.Errorf("read the stamp of the accounts: %w", err)
	}
	return it.num("Stamp"), nil
}

func (s *Store) account(it item) (a qrie.Account, err error) {
	err = s.pack.decode("account "+it.str("AccountId"), it.bytes("Body"), &a)
	a.ExternalID = it.str("ExternalId")
	return a, err
}

// Account reads one account.
func (s *Store) Account(ctx context.Context, id string) (a qrie.Account, err error) {
	defer s.metrics.Request("qrie_accounts", "get")(&err)
	missing := fmt.Errorf("account %s: %w", id, qrie.ErrNotFound)
	if !qrie.ValidAccountID(id) {
		return a, missing
	}
	it, err := s.get(ctx, accountsTable, accountsPart, id)
	if err != nil {
		return a, fmt.Errorf("read account %s: %w", id, err)
	}
	if it == nil {
		return a, missing
	}
	return s.account(it)
}

// ListAccounts reads every account, by id.
func (s *Store) ListAccounts(ctx context.Context) (all []qrie.Account, err error) {
	defer s.metrics.Request("qrie_accounts", "list")(&err)
	err = s.all(ctx, stretch{table: accountsTable, pk: accountsPart}, func(it item) error {
		a, err := s.account(it)
		all = append(all, a)
		return err
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
	missing := fmt.Errorf("account %s: %w", id, qrie.ErrNotFound)
	if !qrie.ValidAccountID(id) {
		return missing
	}
	tx := &transaction{c: s.client}
	tx.remove(accountsTable, accountsPart, id, "attribute_exists(#AccountId)", nil)
	tx.remove(accountsTable, healthPart, id, "", nil)
	tx.update(metaTable, metaPart, stampItem, stamped)
	err = tx.commit(ctx)
	if errors.Is(err, errCondition) {
		return missing
	}
	if err != nil {
		return fmt.Errorf("delete account %s: %w", id, err)
	}
	return nil
}
