package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

func newAccount() *cobra.Command {
	var b backends
	cmd := group("account", "List the watched accounts and their health, stop watching one", newAccountList(&b), newAccountRelease(&b), newAccountRemove(&b))
	b.flags(cmd.PersistentFlags(), defaultDataDir(true))
	return cmd
}

func newAccountList(b *backends) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the watched accounts with what is wrong with them", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				accounts, err := o.store.ListAccounts(cmd.Context())
				if err != nil {
					return err
				}
				health, err := store.Unwell(cmd.Context(), o.store)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ACCOUNT\tNAME\tHEALTH\tSINCE\tTYPE\tWHY")
				for _, a := range accounts {
					if len(health[a.ID]) == 0 {
						fmt.Fprintf(w, "%s\t%s\tok\t\t\t\n", a.ID, a.Name)
					}
					for _, c := range health[a.ID] {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Name, c.State, c.Since.UTC().Format(time.RFC3339), c.Type, c.Reason)
					}
				}
				return w.Flush()
			})
		}}
}

func newAccountRelease(b *backends) *cobra.Command {
	return &cobra.Command{
		Use:   "release ACCOUNT TYPE",
		Short: "Let deletions through that were held because there were too many at once",
		Long: `When many resources of a type are gone at once and no event says who deleted them,
their findings are not resolved until somebody has looked: a role that points at
another account looks the same. This lets the deletions of a type in an account go
through for a day. Scan the account afterwards, so that they are looked at now.`,
		Example: "  qrie account release 111122223333 AWS::S3::Bucket && qrie scan run --account 111122223333 --service s3",
		Args:    args(2, 2, "the id of an account and a resource type"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				_, err := store.ReleaseDeletions(cmd.Context(), o.store, given[0], given[1], time.Now())
				if errors.Is(err, qrie.ErrNotFound) {
					err = fmt.Errorf("%w; 'qrie account list' shows where some are", err)
				}
				return err
			})
		}}
}

func newAccountRemove(b *backends) *cobra.Command {
	return &cobra.Command{
		Use:   "remove ACCOUNT",
		Short: "Stop watching an account and resolve its findings",
		Long: `Stop watching an account: its events are dropped from now on, its findings resolve
as account_removed, and what was stored of it is forgotten after its retention. A
file given with --accounts adds it again at the next start: remove it there first.
Cut short, it is completed by a worker, or by running it again.`,
		Args: args(1, 1, "the id of an account"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				return removeAccount(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o.store, ids[0])
			})
		}}
}

func removeAccount(ctx context.Context, out, errOut io.Writer, s store.Store, id string) error {
	removed := s.DeleteAccount(ctx, id)
	if removed != nil && !errors.Is(removed, qrie.ErrNotFound) {
		return removed
	}
	p := newProgress(errOut, 0, "resources")
	total, err := store.CloseAccount(ctx, s, id, time.Now(), func(closed int) { p.update(int64(closed), int64(closed)) })
	p.clear()
	if err != nil {
		return fmt.Errorf("close account %s: %w", id, err)
	}
	if removed != nil && total == 0 {
		return fmt.Errorf("account %s: %w; 'qrie account list' shows those that are watched", id, removed)
	}
	fmt.Fprintf(out, "account %s is no longer watched; %d resources closed\n", id, total)
	return nil
}
