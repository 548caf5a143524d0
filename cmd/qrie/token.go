package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie/query"
	"github.com/qrie-sec/qrie/store"
	storelocal "github.com/qrie-sec/qrie/store/local"
)

func newToken() *cobra.Command {
	var data string
	cmd := group("token", "Make, list and remove API tokens", newTokenCreate(&data), newTokenList(&data), newTokenDelete(&data))
	cmd.PersistentFlags().StringVar(&data, "data", defaultDataDir(false), "data directory")
	return cmd
}

// withStore opens the store of a data directory, beside a running qrie or not.
func withStore(ctx context.Context, data string, use func(store.Store) error) error {
	dir, err := openDataDir(data)
	if err != nil {
		return err
	}
	secret, err := dir.secret()
	if err != nil {
		return err
	}
	db, err := dir.database(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := storelocal.Open(ctx, db, storelocal.Options{Secret: secret})
	if err != nil {
		return err
	}
	defer s.Close()
	return use(s)
}

// maxTokenLife bounds how long a token is good for.
const maxTokenLife = 366 * 24 * time.Hour

func newTokenCreate(data *string) *cobra.Command {
	var role string
	var life time.Duration
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make an API token and print it once",
		Example: "  qrie token create grafana --role viewer --life 2160h",
		Args:    args(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, names []string) error {
			if life <= 0 || life > maxTokenLife {
				return usageError{fmt.Errorf("--life %s: give up to a year, such as 2160h", life)}
			}
			granted, err := query.ParseRole(role)
			if err != nil {
				return usageError{fmt.Errorf("--role: %w", err)}
			}
			secret, token, err := query.NewToken(rand.Reader, names[0], granted, time.Now(), life)
			if err != nil {
				return usageError{err}
			}
			return withStore(cmd.Context(), *data, func(s store.Store) error {
				if err := s.PutToken(cmd.Context(), token); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), secret)
				fmt.Fprintf(cmd.ErrOrStderr(), "role %s, until %s; it cannot be shown again\n", token.Role, token.ExpiresAt.Format(time.RFC3339))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", "viewer", "viewer, policy-author or admin")
	cmd.Flags().DurationVar(&life, "life", 90*24*time.Hour, "how long it is good for, at most a year")
	return cmd
}

func newTokenList(data *string) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List API tokens", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), *data, func(s store.Store) error {
				tokens, err := s.ListTokens(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tROLE\tEXPIRES")
				for _, t := range tokens {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, t.ExpiresAt.Format(time.RFC3339))
				}
				return w.Flush()
			})
		}}
}

func newTokenDelete(data *string) *cobra.Command {
	return &cobra.Command{Use: "delete ID", Short: "Remove an API token; it is refused from then on", Args: args(1, 1, "the id of a token"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return withStore(cmd.Context(), *data, func(s store.Store) error {
				return s.DeleteToken(cmd.Context(), ids[0])
			})
		}}
}
