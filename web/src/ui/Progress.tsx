import type { Job } from "~/api/types";
import { count } from "~/lib/format";
import { ShareBar } from "./Bar";

/** How far a job is, by what it has done of what it knows of. */
export function Progress({ job }: { job: Job }) {
  const failed = job.failed > 0 ? `, ${count(job.failed)} failed` : "";
  if (job.finished) {
    return (
      <span className="text-ink-2">
        {job.state}: {count(job.items)} items{failed}
      </span>
    );
  }
  return (
    <span>
      <span className="block text-ink-2">
        {job.state}
        {job.pages > 0 ? ` · ${count(job.done)} of ${count(job.pages)} pages` : ""} ·{" "}
        {count(job.items)} items
        {failed}
      </span>
      {job.pages > 0 ? <ShareBar part={job.done} whole={job.pages} /> : null}
    </span>
  );
}
