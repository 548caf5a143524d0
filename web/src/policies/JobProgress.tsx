import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import * as queries from "~/api/queries";
import { Progress } from "~/ui/Progress";

/** The job that a launch or an edit started, followed until it ends. */
export function JobProgress({ id }: { id: string }) {
  const client = useQueryClient();
  const jobs = useQuery({
    ...queries.jobs(),
    refetchInterval: (query) =>
      query.state.data?.jobs.some((j) => j.id === id && j.finished) ? false : 1000,
  });
  const job = jobs.data?.jobs.find((j) => j.id === id);
  const finished = job?.finished;
  useEffect(() => {
    if (!finished) return;
    for (const key of ["policy", "policies", "findings"]) {
      void client.invalidateQueries({ queryKey: [key] });
    }
  }, [finished, client]);
  return (
    <div role="status" className="rounded border border-border bg-sunken px-3 py-2">
      <p>
        {finished ? "Evaluated" : "Evaluating everything in scope"}{" "}
        <span className="text-ink-3 text-small">job {id}</span>
      </p>
      {job ? <Progress job={job} /> : <span className="text-ink-2">waiting for its turn</span>}
      {job?.error ? <p className="text-critical">{job.error}</p> : null}
    </div>
  );
}
