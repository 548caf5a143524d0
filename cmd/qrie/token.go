package main

import (
	"crypto/rand"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie/query"
)

func newToken() *cobra.Command {
	var b backends
	cmd := group("token", "Make, list and remove API tokens", newTokenCreate(&b), newTokenList(&b), newTokenDelete(&b))
	b.flags(cmd.PersistentFlags(), defaultDataDir(false))
	return cmd
}

// maxTokenLife bounds how long a token is good for.
const maxTokenLife = 366 * 24 * time.Hour

func newTokenCreate(b *backends) *cobra.Command {
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
			return b.with(cmd.Context(), openDataDir, storeOnly, func(o *opened) error {
				if err := o.store.PutToken(cmd.Context(), token); err != nil {
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

func newTokenList(b *backends) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List API tokens", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.with(cmd.Context(), openDataDir, storeOnly, func(o *opened) error {
				tokens, err := o.store.ListTokens(cmd.Context())
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

func newTokenDelete(b *backends) *cobra.Command {
	return &cobra.Command{Use: "delete ID", Short: "Remove an API token; it is refused from then on", Args: args(1, 1, "the id of a token"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return b.with(cmd.Context(), openDataDir, storeOnly, func(o *opened) error {
				return o.store.DeleteToken(cmd.Context(), ids[0])
			})
		}}
}
