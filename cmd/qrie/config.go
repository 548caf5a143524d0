package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// printConfig prints each flag, its value and its origin.
func printConfig(cmd *cobra.Command) error {
	for _, line := range configLines(cmd, os.LookupEnv) {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	return nil
}

func configLines(cmd *cobra.Command, env func(string) (string, bool)) []string {
	var lines []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "print-config" {
			return
		}
		origin := "default"
		if value, ok := env(envName(f.Name)); ok && f.Value.String() == value {
			origin = envName(f.Name)
		} else if f.Changed {
			origin = "flag"
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-18s %-40s %s", f.Name, masked(f.Value.String()), origin), " "))
	})
	return lines
}

// masked hides the password of an address. No other setting is a secret: those
// that are come from the AWS environment, or are kept in the store.
func masked(value string) string {
	if u, err := url.Parse(value); err == nil && u.User != nil {
		return u.Redacted()
	}
	return value
}
