package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie"
)

// purgeStep is how many findings are forgotten in one write of the store.
const purgeStep = 200

func newPolicyPurge() *cobra.Command {
	var b backends
	cmd := &cobra.Command{
		Use:   "purge POLICY",
		Short: "Forget the resolved findings of a policy that is not launched",
		Long: `Forget the resolved findings of a policy that is no longer launched, before their
retention has passed. What happened to them stays in the timelines of their
resources. Delete the launch first, on the page of the policy or with
DELETE /api/v1/policies/POLICY.`,
		Args: args(1, 1, "the id of a policy"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return b.with(cmd.Context(), existingDataDir, storeOnly, func(o *opened) error {
				p := newProgress(cmd.ErrOrStderr(), 0, "findings")
				defer p.clear()
				total := 0
				for {
					n, err := o.store.PurgeFindings(cmd.Context(), ids[0], purgeStep)
					if errors.Is(err, qrie.ErrConflict) {
						p.clear()
						return refused{fmt.Errorf("policy %s is launched, and findings of a launched policy are kept: delete the launch first", ids[0])}
					}
					if err != nil {
						return err
					}
					total += n
					if n < purgeStep {
						break
					}
					p.update(int64(total), int64(total))
				}
				p.clear()
				fmt.Fprintf(cmd.OutOrStdout(), "%d findings of %s forgotten\n", total, ids[0])
				return nil
			})
		},
	}
	b.flags(cmd.Flags(), defaultDataDir(true))
	return cmd
}
