package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie/store"
	"github.com/qrie-sec/qrie/stream"
)

func newStream() *cobra.Command {
	var b backends
	letters := group("dlq", "List, show and replay dead letters: records that could not be understood",
		newLettersList(&b), newLettersShow(&b), newLettersReplay(&b))
	cmd := group("stream", "Look at the stream and its dead letters", newStreamShards(&b), newStreamTail(&b), letters)
	b.flags(cmd.PersistentFlags(), defaultDataDir(true))
	return cmd
}

func newStreamShards(b *backends) *cobra.Command {
	return &cobra.Command{Use: "shards", Short: "List the shards: who owns them and how far they are", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.with(cmd.Context(), existingDataDir, parts{stream: true}, func(o *opened) error {
				shards, err := o.stream.Shards(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "SHARD\tSTATE\tOWNER\tEPOCH\tCHECKPOINT\tBEHIND\tLAG")
				for _, s := range shards {
					owner, behind := s.Owner, strconv.FormatInt(s.Behind, 10)
					if owner == "" {
						owner = "nobody"
					}
					if s.Behind < 0 {
						behind = "unknown"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", s.ID, s.State, owner, s.Epoch, s.Checkpoint, behind, s.Lag.Round(time.Millisecond))
				}
				return w.Flush()
			})
		}}
}

// eachLetter gives every dead letter, newest first, without its data.
func eachLetter(ctx context.Context, s store.Store, use func(store.DeadLetter) error) error {
	page := store.PageRequest{Size: store.MaxPage}
	for {
		letters, err := s.ListDeadLetters(ctx, page)
		if err != nil {
			return err
		}
		for _, l := range letters.Items {
			if err := use(l); err != nil {
				return err
			}
		}
		if page.Token = letters.Next; page.Token == "" {
			return nil
		}
	}
}

func newLettersList(b *backends) *cobra.Command {
	var output string
	cmd := &cobra.Command{Use: "list", Short: "List dead letters, newest first", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "ndjson" {
				return usageError{fmt.Errorf("--output %q: give table or ndjson", output)}
			}
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				if output == "ndjson" {
					enc := json.NewEncoder(cmd.OutOrStdout())
					enc.SetEscapeHTML(false)
					return eachLetter(cmd.Context(), o.store, func(l store.DeadLetter) error { return enc.Encode(l) })
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tARRIVED\tBYTES\tKEY\tREASON")
				err := eachLetter(cmd.Context(), o.store, func(l store.DeadLetter) error {
					_, err := fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", l.ID, l.Arrived.UTC().Format(time.RFC3339), l.Size, l.Key, l.Reason)
					return err
				})
				return errors.Join(err, w.Flush())
			})
		}}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or ndjson")
	return cmd
}

func newLettersShow(b *backends) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Print the record of a dead letter as it arrived", Args: args(1, 1, "the id of a dead letter"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				l, err := o.store.DeadLetter(cmd.Context(), ids[0])
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(l.Data)
				return err
			})
		}}
}

func newLettersReplay(b *backends) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "replay ID... | --all",
		Short: "Publish dead letters again and remove them",
		Long: `Publish the records of dead letters into the stream again, for instance after an
upgrade that understands them, and remove the letters. A record that still cannot
be understood becomes a dead letter again.`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if all == (len(ids) > 0) {
				return tryHelp{usageError{errors.New("name the dead letters, or give --all")}, cmd.CommandPath()}
			}
			return b.with(cmd.Context(), existingDataDir, both, func(o *opened) error {
				if all {
					err := eachLetter(cmd.Context(), o.store, func(l store.DeadLetter) error { ids = append(ids, l.ID); return nil })
					if err != nil {
						return err
					}
				}
				for _, id := range ids {
					if err := replayLetter(cmd.Context(), o.store, o.stream, id); err != nil {
						return err
					}
				}
				fmt.Fprintf(cmd.OutOrStdout(), "replayed %d dead letter(s)\n", len(ids))
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "replay every dead letter")
	return cmd
}

// replayLetter publishes first and removes second: a crash between the two
// repeats the record, which does no harm.
func replayLetter(ctx context.Context, s store.Store, log stream.Stream, id string) error {
	l, err := s.DeadLetter(ctx, id)
	if err != nil {
		return fmt.Errorf("dead letter %s: %w", id, err)
	}
	if l.Size > len(l.Data) {
		return fmt.Errorf("dead letter %s was cut from %d to %d bytes and cannot be replayed", id, l.Size, len(l.Data))
	}
	if err := log.Publish(ctx, []stream.Record{{Key: l.Key, Data: l.Data}}); err != nil {
		return fmt.Errorf("publish dead letter %s: %w", id, err)
	}
	if err := s.DeleteDeadLetter(ctx, id); err != nil {
		return fmt.Errorf("remove dead letter %s: %w", id, err)
	}
	return nil
}
