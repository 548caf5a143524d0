package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie/store"
)

func newDeliveries() *cobra.Command {
	var b backends
	cmd := group("deliveries", "List, show and replay what was told to the webhook", newDeliveriesList(&b), newDeliveriesShow(&b), newDeliveriesReplay(&b))
	b.flags(cmd.PersistentFlags(), defaultDataDir(true))
	return cmd
}

// eachDelivery gives deliveries, newest first, without what was sent.
func eachDelivery(ctx context.Context, s store.Store, q store.DeliveryQuery, most int, use func(store.Delivery) error) error {
	page := store.PageRequest{Size: min(most, store.MaxPage)}
	for {
		found, err := s.ListDeliveries(ctx, q, page)
		if err != nil {
			return err
		}
		for _, d := range found.Items {
			if most--; most < 0 {
				return nil
			}
			if err := use(d); err != nil {
				return err
			}
		}
		if page.Token = found.Next; page.Token == "" {
			return nil
		}
	}
}

func newDeliveriesList(b *backends) *cobra.Command {
	var state string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List deliveries, newest first", Args: args(0, 0, "no arguments"),
		Example: "  qrie deliveries list --state dead",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := store.DeliveryQuery{State: store.DeliveryState(state)}
			switch q.State {
			case "", store.DeliveryPending, store.DeliveryDelivered, store.DeliveryDead:
			default:
				return usageError{fmt.Errorf("--state %q: give pending, delivered or dead", state)}
			}
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tSTATE\tCREATED\tATTEMPTS\tSTATUS\tFINDING\tERROR")
				err := eachDelivery(cmd.Context(), o.store, q, limit, func(d store.Delivery) error {
					_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", d.ID, d.State, d.CreatedAt.UTC().Format(time.RFC3339), d.Attempts, d.Status, d.Finding, d.Error)
					return err
				})
				return errors.Join(err, w.Flush())
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "pending, delivered or dead (default: all)")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many to list at the most")
	return cmd
}

func newDeliveriesShow(b *backends) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Print what is to be sent, or was given up", Args: args(1, 1, "the id of a delivery"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				d, err := o.store.Delivery(cmd.Context(), ids[0])
				if err != nil {
					return err
				}
				if len(d.Payload) == 0 {
					return fmt.Errorf("delivery %s arrived at %s, and what was sent is not kept: GET /api/v1/findings/%s/timeline tells it", d.ID, d.UpdatedAt.UTC().Format(time.RFC3339), d.Finding)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", d.Payload)
				return err
			})
		}}
}

func newDeliveriesReplay(b *backends) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "replay ID... | --all",
		Short: "Try deliveries again that were given up",
		Long: `Try deliveries again that were given up after a day of attempts. They go out with
the next round, under the ids that they had.`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if all == (len(ids) > 0) {
				return tryHelp{usageError{errors.New("name the deliveries, or give --all")}, cmd.CommandPath()}
			}
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				ctx := cmd.Context()
				if all {
					q := store.DeliveryQuery{State: store.DeliveryDead}
					if err := eachDelivery(ctx, o.store, q, 1<<31, func(d store.Delivery) error { ids = append(ids, d.ID); return nil }); err != nil {
						return err
					}
				}
				for _, id := range ids {
					if err := revive(ctx, o.store, id); err != nil {
						return err
					}
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d deliveries will be tried again\n", len(ids))
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that were given up")
	return cmd
}

// revive makes a delivery due that was given up.
func revive(ctx context.Context, s store.Store, id string) error {
	d, err := s.Delivery(ctx, id)
	if err != nil {
		return err
	}
	if d, err = d.Revive(time.Now()); err != nil {
		return err
	}
	_, err = s.PutDelivery(ctx, d)
	return err
}
