package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/processor"
	"github.com/qrie-sec/qrie/resources"
	"github.com/qrie-sec/qrie/stream"
)

func newStreamTail(b *backends) *cobra.Command {
	var since time.Duration
	var output string
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print records as they arrive",
		Long: `Print what passes through the stream until Ctrl-C: events with what they mark, and
qrie's own records: marks, scans, judgements. It takes no shard from a worker and
moves no checkpoint. On Kinesis it takes one of the five reads a second that each
shard allows.`,
		Example: "  qrie stream tail --since 10m\n  qrie stream tail -o ndjson | jq .data",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "ndjson" {
				return usageError{fmt.Errorf("--output %q: give text or ndjson", output)}
			}
			if since < 0 {
				return usageError{fmt.Errorf("--since %s: give a time span that has passed, such as 10m", since)}
			}
			return b.with(cmd.Context(), existingDataDir, parts{stream: true}, func(o *opened) error {
				var from time.Time
				if since > 0 {
					from = time.Now().Add(-since)
				}
				t := tailer{out: cmd.OutOrStdout(), decoder: ingest.NewDecoder(resources.All())}
				show := t.text
				if output == "ndjson" {
					show = t.ndjson
				}
				return o.stream.Tail(cmd.Context(), from, show)
			})
		},
	}
	cmd.Flags().DurationVar(&since, "since", 0, "begin so long ago, as far as the stream still has it; default: now")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or ndjson")
	return cmd
}

// tailer shows records.
type tailer struct {
	out     io.Writer
	decoder *ingest.Decoder
}

// passing is a record that passes.
type passing struct {
	Arrived time.Time       `json:"arrived"`
	Shard   string          `json:"shard"`
	Seq     string          `json:"seq"`
	Key     string          `json:"key"`
	Kind    string          `json:"kind"`
	What    []string        `json:"what"`
	Data    json.RawMessage `json:"data,omitempty"`
	Raw     []byte          `json:"raw,omitempty"` // base64, where it is no JSON
}

func (t tailer) passing(r stream.Record) passing {
	p := passing{Arrived: r.Arrived.UTC(), Shard: r.Shard, Seq: r.Seq, Key: r.Key}
	kind, words, own := processor.Sketch(r.Data)
	if !own {
		kind, words = "event", t.events(r.Data)
	}
	p.Kind, p.What = kind, words
	return p
}

// events says what the events of a record mark, or why they mark nothing.
func (t tailer) events(data []byte) (words []string) {
	raws, err := ingest.Split(data)
	if err != nil {
		return []string{"cannot be understood: " + err.Error()}
	}
	for _, raw := range raws {
		d, err := t.decoder.Decode(raw)
		if err != nil {
			words = append(words, "cannot be understood: "+err.Error())
			continue
		}
		what := fmt.Sprintf("%s by %s in account %s, %s", d.Event.Name, d.Event.Actor.Name, d.Event.Account, d.Event.Region)
		switch {
		case d.Drop != "":
			what += ": dropped, " + strings.ReplaceAll(string(d.Drop), "_", " ")
		default:
			var refs []string
			for _, m := range d.Marks {
				refs = append(refs, named(m.Ref))
			}
			what += " marks " + strings.Join(refs, ", ")
		}
		words = append(words, what)
	}
	return words
}

func named(r qrie.Ref) string {
	if r.ID == "" {
		return "every " + r.Type
	}
	return r.String()
}

func (t tailer) text(r stream.Record) error {
	p := t.passing(r)
	for _, what := range p.What {
		_, err := fmt.Fprintf(t.out, "%s  %s  %-5s  %s\n", p.Arrived.Format("15:04:05.000"), p.Shard, p.Kind, printable(what))
		if err != nil {
			return gone(err)
		}
	}
	return nil
}

func (t tailer) ndjson(r stream.Record) error {
	p := t.passing(r)
	if json.Valid(r.Data) {
		p.Data = r.Data
	} else {
		p.Raw = r.Data
	}
	enc := json.NewEncoder(t.out)
	enc.SetEscapeHTML(false)
	return gone(enc.Encode(p))
}

// errGone ends a tail whose reader has gone away.
var errGone = errors.New("nobody reads the output any more")

func gone(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// printable keeps what strangers write, such as a session's name, from driving
// the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
