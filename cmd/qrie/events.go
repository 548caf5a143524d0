package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/resources"
)

func newEvents() *cobra.Command {
	return group("events", "Look at CloudTrail events", newEventsDecode())
}

// decoded is one line of output: an event with its marks, or with the reason
// why it gives none.
type decoded struct {
	File   string      `json:"file"`
	Record int         `json:"record"` // from 1
	Event  *qrie.Event `json:"event,omitempty"`
	Marks  []qrie.Ref  `json:"marks,omitempty"`
	Drop   string      `json:"dropped,omitempty"`
	Error  string      `json:"error,omitempty"`
}

func newEventsDecode() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "decode FILE...",
		Short: "Print the resources that CloudTrail events mark",
		Long: `Print one line of JSON for each event: the resources it marks as perhaps changed,
or why it marks none. A FILE is what 'qrie replay' takes; a folder stands for the
files in it; - is standard input. A summary goes to standard error.`,
		Example: "  qrie events decode trail.json.gz | jq -c 'select(.marks) | .marks[].arn'",
		Args:    args(1, -1, "one or more files"),
		RunE: func(cmd *cobra.Command, names []string) error {
			files, _, err := expand(names)
			if err != nil {
				return err
			}
			d := ingest.NewDecoder(resources.All())
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetEscapeHTML(false)
			counts := map[string]int{}
			bad := 0
			for _, name := range files {
				n := 0
				err := readFile(name, cmd.InOrStdin(), func(r io.Reader) error {
					return ingest.SplitReader(r, func(raw ingest.Raw) error {
						n++
						line := decoded{File: name, Record: n}
						got, err := d.Decode(raw)
						switch {
						case err != nil:
							line.Error = err.Error()
							counts["bad records"]++
							bad++
						case got.Drop != "":
							line.Event, line.Drop = &got.Event, string(got.Drop)
							counts[strings.ReplaceAll(string(got.Drop), "_", " ")]++
						default:
							line.Event = &got.Event
							for _, m := range got.Marks {
								line.Marks = append(line.Marks, m.Ref)
							}
							counts["marked"]++
						}
						return enc.Encode(line)
					})
				})
				if err != nil {
					bad++
					counts["bad files"]++
					if err := enc.Encode(decoded{File: name, Record: n + 1, Error: err.Error()}); err != nil {
						return err
					}
				}
			}
			if !quiet {
				var parts []string
				for _, k := range slices.Sorted(maps.Keys(counts)) {
					parts = append(parts, fmt.Sprintf("%d %s", counts[k], k))
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%d file(s): %s\n", len(files), strings.Join(parts, ", "))
			}
			if bad > 0 {
				return errors.New("some input is no CloudTrail event; see the lines with \"error\"")
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no summary")
	return cmd
}
