package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/policies"
	"github.com/qrie-sec/qrie/resources"
)

func newPolicy() *cobra.Command {
	return group("policy", "List, check, test and try policies",
		newPolicyList(), newPolicyShow(), newPolicyLint(), newPolicyTest(), newPolicyEval(), newPolicyPurge())
}

func newPolicyList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Short: "List the policies that can be launched", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := policies.Catalogue()
			if err != nil {
				return err
			}
			switch output {
			case "json":
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				rows := make([]policyRow, 0, len(set.All()))
				for _, p := range set.All() {
					rows = append(rows, rowOf(p))
				}
				return enc.Encode(rows)
			case "name":
				for _, p := range set.All() {
					fmt.Fprintln(cmd.OutOrStdout(), p.ID)
				}
				return nil
			case "table":
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "SEVERITY\tPOLICY\tRESOURCE\tTITLE")
				for _, p := range set.All() {
					fmt.Fprintf(w, "%3d %s\t%s\t%s\t%s\n", p.Severity, p.Severity.Band(), p.ID, p.ResourceType, p.Title)
				}
				return w.Flush()
			}
			return usageError{fmt.Errorf("--output %q: give table, json or name", output)}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json or name")
	return cmd
}

type policyRow struct {
	ID           string        `json:"policy_id"`
	Title        string        `json:"title"`
	Service      string        `json:"service"`
	Category     string        `json:"category"`
	ResourceType string        `json:"resource_type"`
	Severity     qrie.Severity `json:"severity"`
	Label        qrie.Band     `json:"severity_label"`
}

func rowOf(p *policies.Policy) policyRow {
	return policyRow{p.ID, p.Title, p.Service, p.Category, p.ResourceType, p.Severity, p.Severity.Band()}
}

func newPolicyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Print the file of a policy", Args: args(1, 1, "a policy id"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			p, err := findPolicy(ids[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(p.Source)
			return err
		},
	}
}

func findPolicy(id string) (*policies.Policy, error) {
	set, err := policies.Catalogue()
	if err != nil {
		return nil, err
	}
	p, ok := set.Get(id)
	if ok {
		return p, nil
	}
	hint := "; 'qrie policy list' names them"
	best := 4
	for _, known := range set.All() {
		if d := distance(strings.ToLower(id), strings.ToLower(known.ID)); d < best {
			best, hint = d, fmt.Sprintf("; did you mean %s?", known.ID)
		}
	}
	return nil, fmt.Errorf("policy %q: %w%s", id, qrie.ErrNotFound, hint)
}

func newPolicyLint() *cobra.Command {
	return &cobra.Command{
		Use:   "lint FILE...",
		Short: "Check policy files without running them",
		Long:  "Check policy files: syntax, types of every expression, parameters, fixtures and texts.\nEvery problem is printed with file, line and column.",
		Args:  args(1, -1, "one or more policy files"),
		RunE: func(cmd *cobra.Command, files []string) error {
			bad := 0
			for _, name := range files {
				if _, err := loadPolicyFile(name); err != nil {
					bad++
					fmt.Fprintln(cmd.OutOrStdout(), err)
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d file(s) have problems", bad, len(files))
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d file(s) without problems\n", len(files))
			return nil
		},
	}
}

func loadPolicyFile(name string) (*policies.Policy, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return policies.LoadFile(name, data)
}

func newPolicyTest() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "test [ID | FILE]...",
		Short: "Run the fixtures inside policies",
		Long:  "Run the fixtures inside policies: of the whole catalogue, or of the ids and files given.",
		RunE: func(cmd *cobra.Command, names []string) error {
			list, err := choosePolicies(names)
			if err != nil {
				return err
			}
			passed, failed := 0, 0
			for _, p := range list {
				for _, r := range p.RunTests() {
					if r.OK() {
						passed++
						if verbose {
							fmt.Fprintf(cmd.OutOrStdout(), "ok    %s: %s\n", p.ID, r.Test.Name)
						}
						continue
					}
					failed++
					fmt.Fprintf(cmd.OutOrStdout(), "FAIL  %s: %s\n      %s\n", p.ID, r.Test.Name, strings.Join(r.Faults, "\n      "))
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d policies: %d passed, %d failed\n", len(list), passed, failed)
			if failed > 0 {
				return errors.New("fixtures failed")
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print fixtures that pass, too")
	return cmd
}

// choosePolicies takes ids of the catalogue and names of files.
func choosePolicies(names []string) ([]*policies.Policy, error) {
	if len(names) == 0 {
		set, err := policies.Catalogue()
		if err != nil {
			return nil, err
		}
		return set.All(), nil
	}
	var list []*policies.Policy
	for _, name := range names {
		load := findPolicy
		if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
			load = loadPolicyFile
		}
		p, err := load(name)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func newPolicyEval() *cobra.Command {
	var now, account, region string
	var params []string
	cmd := &cobra.Command{
		Use:   "eval ID|FILE DOCUMENT",
		Short: "Judge a resource document and print the verdict with its evidence",
		Long: `Judge one resource by one policy. DOCUMENT is a JSON file (- is standard input) as
qrie stores it and the dashboard shows it: AWS's answers, one member for each API
call. 'missing' names members that could not be read.`,
		Example: `  qrie policy eval S3BucketVersioningDisabled bucket.json
  echo '{"AccessKeys":[]}' | qrie policy eval IAMAccessKeyUnused - --param max_unused_days=30`,
		Args: args(2, 2, "a policy and a document"),
		RunE: func(cmd *cobra.Command, given []string) error {
			list, err := choosePolicies(given[:1])
			if err != nil {
				return err
			}
			at := time.Now()
			if now != "" {
				if at, err = time.Parse(time.RFC3339, now); err != nil {
					return usageError{fmt.Errorf("--now %q: give a time such as 2026-01-31T00:00:00Z", now)}
				}
			}
			launch := qrie.Launch{Params: map[string]json.RawMessage{}}
			for _, p := range params {
				name, value, ok := strings.Cut(p, "=")
				if !ok {
					return usageError{fmt.Errorf("--param %q: give NAME=VALUE", p)}
				}
				raw := json.RawMessage(value)
				if !json.Valid(raw) {
					raw, _ = json.Marshal(value) // a string always marshals
				}
				launch.Params[name] = raw
			}
			v, err := evalDocument(list[0], launch, given[1], cmd.InOrStdin(), qrie.Account{ID: account}, region, at)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			return enc.Encode(v)
		},
	}
	f := cmd.Flags()
	f.StringVar(&now, "now", "", "the time to judge at (default: now)")
	f.StringVar(&account, "account", "000000000000", "account the resource is in")
	f.StringVar(&region, "region", "us-east-1", "Region the resource is in")
	f.StringArrayVar(&params, "param", nil, "override a parameter, NAME=VALUE; may be repeated")
	return cmd
}

// maxDocument bounds a document read from a file.
const maxDocument = 16 << 20

func evalDocument(p *policies.Policy, l qrie.Launch, name string, in io.Reader, account qrie.Account, region string, now time.Time) (qrie.Verdict, error) {
	var document []byte
	err := readFile(name, in, func(r io.Reader) (err error) {
		document, err = io.ReadAll(io.LimitReader(r, maxDocument+1))
		return err
	})
	if err != nil {
		return qrie.Verdict{}, fmt.Errorf("read the document: %w", err)
	}
	if len(document) > maxDocument {
		return qrie.Verdict{}, fmt.Errorf("%s is larger than %d MiB", name, maxDocument>>20)
	}
	run, err := p.Bind(l)
	if err != nil {
		return qrie.Verdict{}, err
	}
	t, ok := resources.Find(p.ResourceType)
	if !ok {
		return qrie.Verdict{}, fmt.Errorf("resource type %s: %w", p.ResourceType, qrie.ErrNotFound)
	}
	ref := t.Ref(account.ID, region, "")
	view, err := t.View(ref, document)
	if err != nil {
		return qrie.Verdict{}, fmt.Errorf("%s is no document of %s: %w", name, t.Name, err)
	}
	return run.Evaluate(policies.Input{View: view, Ref: ref, Account: account, Now: now}), nil
}
