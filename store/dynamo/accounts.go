package dynamo

import (
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
	return s.put(ctx, accountsTable, row, "", nil)
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
	err = s.remove(ctx, accountsTable, accountsPart, id, "attribute_exists(#AccountId)", nil)
	if errors.Is(err, errCondition) {
		return missing
	}
	return err
}
