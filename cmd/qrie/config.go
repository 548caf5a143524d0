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
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-18s %-40s %s", f.Name, masked(f), origin), " "))
	})
	return lines
}

// masked hides what may be a secret in an address: its password, and of a
// webhook all but the host. No other setting is a secret: those that are come
// from the environment or a file, or are kept in the store.
func masked(f *pflag.Flag) string {
	value := f.Value.String()
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "":
		return value
	case f.Name == "webhook-url":
		return u.Scheme + "://" + u.Host + "/…"
	case u.User != nil:
		return u.Redacted()
	}
	return value
}
