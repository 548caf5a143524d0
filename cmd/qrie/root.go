package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qrie-sec/qrie"
)

// version is set by the linker; see the Makefile.
var version = "dev"

// Exit codes, the same for every command.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 5
	exitConflict    = 6
	exitInterrupted = 130
)

// usageError is a mistake in how a command was called.
type usageError struct{ error }

// refused is a conflict in words of the command's own.
type refused struct{ error }

func (refused) Is(target error) bool { return target == qrie.ErrConflict }

// tryHelp is the command whose help tells how to call it.
type tryHelp struct {
	error
	command string
}

func (t tryHelp) Unwrap() error { return t.error }

// run is the whole program: it never touches the process's own streams,
// environment apart from QRIE_ variables, or exit.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(errOut, "qrie: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(errOut, "qrie: %v\n", err)
	var help tryHelp
	if errors.As(err, &help) {
		fmt.Fprintf(errOut, "Try '%s --help'.\n", help.command)
	}
	var usage usageError
	switch {
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		return exitUsage
	case errors.Is(err, qrie.ErrNotFound):
		return exitNotFound
	case errors.Is(err, qrie.ErrConflict), errors.Is(err, qrie.ErrExists):
		return exitConflict
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "qrie",
		Short: "Real-time security posture for AWS, self-hosted",
		Long: `qrie reads every CloudTrail event of your AWS accounts within seconds, looks at
the resource that changed, judges it by every launched policy, and shows what is
wrong, who made it wrong, when, and how to undo it.

  qrie up --demo        the whole product with a simulated organisation
  qrie up               the whole product on one machine
  qrie processor        a worker of many, on a shared stream and store
  qrie query            the API and the dashboard of the same
  qrie migrate          the tables of a store on DynamoDB
  qrie doctor           what is missing or wrong, and how to mend it

Every flag can be given as an environment variable: --log-level is
QRIE_LOG_LEVEL. A flag wins over the environment.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd.Flags())
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return tryHelp{usageError{fmt.Errorf("%w%s", err, nearestFlag(cmd, err))}, cmd.CommandPath()}
	})
	root.AddCommand(newUp(), newProcessor(), newQuery(), newDoctor(), newReplay(), newEvents(), newPolicy(), newStream(), newScan(), newAccount(), newDeliveries(), newMigrate(), newStore(), newToken(), newVersion())
	return root
}

// fromEnvironment fills flags that were not given from QRIE_ variables.
func fromEnvironment(flags *pflag.FlagSet) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := envName(f.Name)
		value, ok := os.LookupEnv(name)
		if f.Changed || !ok || f.Name == "help" || first != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = usageError{fmt.Errorf("environment variable %s: %w", name, err)}
		}
	})
	return first
}

func envName(flag string) string {
	return "QRIE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// nearestFlag suggests the flag that was meant.
func nearestFlag(cmd *cobra.Command, err error) string {
	_, given, ok := strings.Cut(err.Error(), "unknown flag: --")
	if !ok {
		return ""
	}
	best, least := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(given, f.Name); d < least {
			best, least = f.Name, d
		}
	})
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean --%s?", best)
}

// distance is the number of single-letter edits between two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// args checks the number of arguments and says what they are.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if len(given) < least || (most >= 0 && len(given) > most) {
			return tryHelp{usageError{fmt.Errorf("%s takes %s; %d given", cmd.CommandPath(), what, len(given))}, cmd.CommandPath()}
		}
		return nil
	}
}

// group makes a command that only holds others.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: func(cmd *cobra.Command, given []string) error {
		if len(given) > 0 {
			return tryHelp{usageError{fmt.Errorf("%s has no command %q", cmd.CommandPath(), given[0])}, cmd.CommandPath()}
		}
		return nil
	}, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(sub...)
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: args(0, 0, "no arguments"),
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "qrie", version) }}
}
