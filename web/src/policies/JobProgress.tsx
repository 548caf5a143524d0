import { useQuery } from "@tanstack/react-query";
import * as queries from "~/api/queries";
import { Progress } from "~/ui/Progress";

/** The job that a launch or an edit started, followed until it ends. */
export function JobProgress({ id }: { id: string }) {
  const jobs = useQuery({ ...queries.jobs(), refetchInterval: 1000 });
  const job = jobs.data?.jobs.find((j) => j.id === id);
  return (
    <div role="status" className="rounded border border-border bg-sunken px-3 py-2">
      <p>
        {job?.finished ? "Evaluated" : "Evaluating everything in scope"}{" "}
        <span className="text-ink-3 text-small">job {id}</span>
      </p>
      {job ? <Progress job={job} /> : <span className="text-ink-2">waiting for its turn</span>}
      {job?.error ? <p className="text-critical">{job.error}</p> : null}
    </div>
  );
}
