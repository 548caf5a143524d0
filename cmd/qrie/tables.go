package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"log/slog"
)

// tables says where the tables of a store on DynamoDB are.
type tables struct{ prefix, region, endpoint string }

func (t *tables) flags(f *pflag.FlagSet) {
	f.StringVar(&t.prefix, "table-prefix", "qrie_", "begins the names of the tables")
	f.StringVar(&t.region, "region", "", "AWS Region of the tables (default: that of the AWS environment)")
	f.StringVar(&t.endpoint, "dynamodb-endpoint", "", "address of DynamoDB, if it is not AWS's public one")
}

// backends are what else opens the store.
func (t tables) backends() backends {
	return backends{stream: onDisk, store: onDynamo, prefix: t.prefix, region: t.region, dynamodb: t.endpoint}
}

func newMigrate() *cobra.Command {
	var at tables
	var template bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make the DynamoDB tables of the store",
		Long: `Make the tables of a store on DynamoDB, before anything runs with --store dynamo: on
demand, encrypted, protected from deletion, with point-in-time recovery. It may be
run again, also while qrie runs: what stands is left as it is, and what is not
protected is protected. A table of the same name that is not qrie's is refused.

A local store needs none of this.`,
		Example: `  qrie migrate --region eu-west-1
  qrie migrate --cloudformation > tables.yaml   # then run it without, once the stack is complete`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if template {
				text, err := tablesTemplate()
				if err != nil {
					return err
				}
				_, err = out.Write(text)
				return err
			}
			c, err := openCloud(cmd.Context(), at.region, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			n := 0
			err = c.migrate(cmd.Context(), at.backends(), func(table, made string) {
				n++
				fmt.Fprintf(out, "%-10s %s\n", made, table)
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "the store is ready: start qrie with --store dynamo%s\n", notDefault(" --table-prefix ", at.prefix, "qrie_"))
			return nil
		},
	}
	at.flags(cmd.Flags())
	cmd.Flags().BoolVar(&template, "cloudformation", false, "print the tables as a CloudFormation template and make none")
	return cmd
}

// notDefault is a flag with its value, or nothing.
func notDefault(flag, value, usual string) string {
	if value == usual {
		return ""
	}
	return flag + value
}

func newStore() *cobra.Command {
	var at tables
	cmd := group("store", "Look after a store on DynamoDB", newStoreSpread(&at))
	at.flags(cmd.PersistentFlags())
	return cmd
}

func newStoreSpread(at *tables) *cobra.Command {
	return &cobra.Command{
		Use:   "spread [ACCOUNT_SERVICE PARTITIONS]",
		Short: "Show or raise the number of partitions of a busy account's service",
		Long: `The findings of an account's service lie in one partition of an index, which takes
1,000 writes a second. Where that throttles, the store spreads them over twice as
many by itself, up to 64. This shows what was spread, or spreads an account's
service before a load that is expected. It may be done while qrie runs, and is
never undone.`,
		Example: `  qrie store spread
  qrie store spread 111122223333_s3 8`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) == 1 {
				return args(2, 2, "an account's service, such as 111122223333_s3, and a number of partitions, or nothing")(cmd, given)
			}
			return args(0, 2, "an account's service, such as 111122223333_s3, and a number of partitions, or nothing")(cmd, given)
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			ctx := cmd.Context()
			c, err := openCloud(ctx, at.region, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			if len(given) == 2 {
				n, err := strconv.Atoi(given[1])
				if err != nil {
					return usageError{fmt.Errorf("%q is no number of partitions", given[1])}
				}
				if err := c.spread(ctx, at.backends(), given[0], n); err != nil {
					return err
				}
			}
			spreads, err := c.spreads(ctx, at.backends())
			if err != nil {
				return err
			}
			if len(spreads) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing is spread: each account's service lies in one partition")
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "ACCOUNT_SERVICE\tPARTITIONS")
			for _, s := range spreads {
				fmt.Fprintf(w, "%s\t%d\n", s.accountService, s.partitions)
			}
			return w.Flush()
		},
	}
}

// spreadOf is over how many partitions an account's service lies.
type spreadOf struct {
	accountService string
	partitions     int
}
