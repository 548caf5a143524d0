package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie/store"
	storelocal "github.com/qrie-sec/qrie/store/local"
	"github.com/qrie-sec/qrie/stream"
	streamlocal "github.com/qrie-sec/qrie/stream/local"
)

func newStream() *cobra.Command {
	var data string
	letters := group("dlq", "List, show and replay dead letters: records that could not be understood",
		newLettersList(&data), newLettersShow(&data), newLettersReplay(&data))
	cmd := group("stream", "Look at the stream and its dead letters", newStreamShards(&data), letters)
	cmd.PersistentFlags().StringVar(&data, "data", defaultDataDir(true), "data directory of qrie, running or not")
	return cmd
}

// withBoth opens the store and the stream of a data directory that exists.
func withBoth(ctx context.Context, data string, use func(store.Store, stream.Stream) error) (err error) {
	dir, err := existingDataDir(data)
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
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := storelocal.Open(ctx, db, storelocal.Options{Secret: secret})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	log, err := streamlocal.Open(ctx, db, streamlocal.Options{Owner: ownerID()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	return use(s, log)
}

func newStreamShards(data *string) *cobra.Command {
	return &cobra.Command{Use: "shards", Short: "List the shards: who owns them and how far they are", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withBoth(cmd.Context(), *data, func(_ store.Store, log stream.Stream) error {
				shards, err := log.Shards(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "SHARD\tOWNER\tEPOCH\tCHECKPOINT\tBEHIND\tLAG")
				for _, s := range shards {
					owner := s.Owner
					if owner == "" {
						owner = "nobody"
					}
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\n", s.ID, owner, s.Epoch, s.Checkpoint, s.Behind, s.Lag.Round(time.Millisecond))
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

func newLettersList(data *string) *cobra.Command {
	var output string
	cmd := &cobra.Command{Use: "list", Short: "List dead letters, newest first", Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "ndjson" {
				return usageError{fmt.Errorf("--output %q: give table or ndjson", output)}
			}
			return withBoth(cmd.Context(), *data, func(s store.Store, _ stream.Stream) error {
				if output == "ndjson" {
					enc := json.NewEncoder(cmd.OutOrStdout())
					enc.SetEscapeHTML(false)
					return eachLetter(cmd.Context(), s, func(l store.DeadLetter) error { return enc.Encode(l) })
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tARRIVED\tBYTES\tKEY\tREASON")
				err := eachLetter(cmd.Context(), s, func(l store.DeadLetter) error {
					_, err := fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", l.ID, l.Arrived.UTC().Format(time.RFC3339), l.Size, l.Key, l.Reason)
					return err
				})
				return errors.Join(err, w.Flush())
			})
		}}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or ndjson")
	return cmd
}

func newLettersShow(data *string) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Print the record of a dead letter as it arrived", Args: args(1, 1, "the id of a dead letter"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return withBoth(cmd.Context(), *data, func(s store.Store, _ stream.Stream) error {
				l, err := s.DeadLetter(cmd.Context(), ids[0])
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(l.Data)
				return err
			})
		}}
}

func newLettersReplay(data *string) *cobra.Command {
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
			return withBoth(cmd.Context(), *data, func(s store.Store, log stream.Stream) error {
				if all {
					err := eachLetter(cmd.Context(), s, func(l store.DeadLetter) error { ids = append(ids, l.ID); return nil })
					if err != nil {
						return err
					}
				}
				for _, id := range ids {
					if err := replayLetter(cmd.Context(), s, log, id); err != nil {
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
