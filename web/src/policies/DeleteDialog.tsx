import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, call } from "~/api/client";
import * as queries from "~/api/queries";
import type { DeleteAnswer } from "~/api/types";
import { plural } from "~/lib/format";
import { Button } from "~/ui/Button";
import { Dialog, DialogActions, DialogBody } from "~/ui/Dialog";
import { Skeleton } from "~/ui/States";
import { Input } from "./Fields";
import { MutationError } from "./MutationError";

/** Deletes a launch after its id was typed; says how many findings that resolves. */
export function DeleteDialog(props: {
  id: string;
  onClose: () => void;
  onSuspend?: (() => void) | undefined;
  onDone: (answer: DeleteAnswer) => void;
}) {
  const { id, onClose, onSuspend, onDone } = props;
  const client = useQueryClient();
  const policy = useQuery({ ...queries.policy(id), staleTime: 0 });
  const [typed, setTyped] = useState("");
  const remove = useMutation({
    mutationFn: async (ifMatch: string) => {
      const { data } = await call<DeleteAnswer>(`/policies/${id}`, { method: "DELETE", ifMatch });
      return data;
    },
    onSuccess: async (answer) => {
      await client.invalidateQueries({ queryKey: ["policies"] });
      await client.invalidateQueries({ queryKey: ["policy", id] });
      await client.invalidateQueries({ queryKey: ["findings"] });
      onDone(answer);
    },
    onError: (error) => {
      // The count may have been of another version: read it again.
      if (error instanceof ApiError && error.status === 412) void policy.refetch();
    },
  });
  const p = policy.data;
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Delete ${p?.title ?? id}?`}
      description="The policy goes back to those that can be launched."
    >
      <form
        className="flex min-h-0 flex-1 flex-col"
        onSubmit={(e) => {
          e.preventDefault();
          if (p && typed === id) remove.mutate(p.etag);
        }}
      >
        <DialogBody>
          {!p ? (
            <Skeleton rows={2} />
          ) : (
            <div className="space-y-3">
              <p>
                <strong>
                  {p.open_findings === 0
                    ? "No open finding"
                    : plural(p.open_findings, "open finding")}
                </strong>{" "}
                {p.open_findings === 1 ? "is" : "are"} resolved with the reason “policy deleted”.
                Their history is kept.
              </p>
              {p.status === "active" && onSuspend ? (
                <p>
                  To stop evaluating and keep the findings as they are,{" "}
                  <button type="button" className="link" onClick={onSuspend}>
                    suspend it instead
                  </button>
                  .
                </p>
              ) : null}
              <Input label={`Type ${id} to delete it`} value={typed} onChange={setTyped} />
            </div>
          )}
        </DialogBody>
        <MutationError error={remove.error} />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" type="submit" disabled={!p || typed !== id || remove.isPending}>
            {remove.isPending ? "Deleting…" : "Delete"}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
