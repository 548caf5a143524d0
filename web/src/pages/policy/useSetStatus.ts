import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiError, call } from "~/api/client";
import type { EditAnswer } from "~/api/types";

/** Suspends or resumes a policy. If it changed in between, it is read again and nothing is done. */
export function useSetStatus(
  policy: { policy_id: string; etag: string },
  onDone: (answer: { job_id?: string }) => void,
) {
  const client = useQueryClient();
  const read = () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ["policy", policy.policy_id] }),
      client.invalidateQueries({ queryKey: ["policies"] }),
      client.invalidateQueries({ queryKey: ["findings"] }),
    ]);
  return useMutation({
    mutationFn: async (status: "active" | "suspended") => {
      const { data } = await call<EditAnswer>(`/policies/${policy.policy_id}`, {
        method: "PUT",
        body: { status },
        ifMatch: policy.etag,
      });
      return data;
    },
    onSuccess: async (answer) => {
      await read();
      onDone(answer);
    },
    onError: (error) => {
      if (error instanceof ApiError && error.status === 412) void read();
    },
  });
}
