import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "~/api/client";
import * as queries from "~/api/queries";
import type { Job, Shard, System } from "~/api/types";
import { count, isTime, lagWords, plural, shortSpan } from "~/lib/format";
import { PageHeader } from "~/shell/PageHeader";
import { Button } from "~/ui/Button";
import { Panel } from "~/ui/Panel";
import { Progress } from "~/ui/Progress";
import { Loaded } from "~/ui/Query";
import { Ago } from "~/ui/Time";

export function SystemPage() {
  const system = useQuery(queries.system());
  const jobs = useQuery(queries.jobs());
  return (
    <>
      <PageHeader title="System" />
      <div className="min-h-0 flex-1 overflow-auto">
        <div className="mx-auto max-w-[1080px] space-y-4 p-4">
          <Loaded of={system} rows={8}>
            {(s) => (
              <>
                <Figures system={s} />
                <Shards system={s} />
              </>
            )}
          </Loaded>
          <Panel title="Jobs">
            <Loaded of={jobs} rows={4}>
              {(data) => <Jobs jobs={data.jobs} />}
            </Loaded>
          </Panel>
        </div>
      </div>
    </>
  );
}

function Figures({ system: s }: { system: System }) {
  const figures: [string, string, string?][] = [
    ["Behind AWS", lagWords(s.lag_seconds)],
    ["Events a second", s.events_per_second?.toFixed(1) ?? "unknown"],
    ["Records waiting", waiting(s)],
    ["Resources to be read again", count(s.dirty.count)],
    ["Dead letters", count(s.dead_letters)],
    ["Messages given up", count(s.deliveries.dead)],
  ];
  return (
    <section aria-label="Stream" className="rounded border border-border bg-surface">
      <dl className="flex flex-wrap gap-x-10 gap-y-2 px-4 py-3">
        {figures.map(([name, value]) => (
          <div key={name}>
            <dt className="text-ink-2 text-small">{name}</dt>
            <dd className="figure text-[20px] leading-7">{value}</dd>
          </div>
        ))}
      </dl>
      {isTime(s.dirty.oldest) && s.dirty.count > 0 ? (
        <p className="px-4 pb-3 text-ink-2">
          The oldest of these resources has waited for <Ago at={s.dirty.oldest} bare />.
        </p>
      ) : null}
      {s.dead_letters > 0 ? (
        <p className="border-border border-t px-4 py-2">
          {plural(s.dead_letters, "record")} could not be handled and{" "}
          {s.dead_letters === 1 ? "was" : "were"} set aside. What they would have changed is healed
          by the next scan.
        </p>
      ) : null}
    </section>
  );
}

/** Kinesis cannot tell how many records wait. */
function waiting(s: System): string {
  const shards = s.stream.shards.filter((shard) => shard.state !== "finished");
  const known = shards.filter((shard) => shard.behind >= 0);
  if (known.length === 0 && shards.length > 0) return "unknown";
  return count(known.reduce((sum, shard) => sum + shard.behind, 0));
}

function Shards({ system: s }: { system: System }) {
  const { troubles } = s.stream;
  const shards = s.stream.shards.filter((shard) => shard.state !== "finished");
  const finished = s.stream.shards.length - shards.length;
  return (
    <Panel
      title="Shards"
      note={
        plural(shards.length, "shard") +
        (finished > 0 ? `, ${count(finished)} read to their end` : "")
      }
    >
      {troubles.length > 0 ? (
        <ul aria-label="Trouble" className="border-border border-t px-4 py-2">
          {troubles.map((trouble) => (
            <li key={trouble.kind + trouble.shard} className="text-critical">
              {trouble.text}
            </li>
          ))}
        </ul>
      ) : null}
      <div className="overflow-x-auto pb-3">
        <table className="w-full min-w-[640px]">
          <thead>
            <tr className="text-left text-ink-2 text-small [&>th]:font-normal">
              <th className="pl-4">Shard</th>
              <th>State</th>
              <th>Owner</th>
              <th className="text-right">Epoch</th>
              <th className="text-right">Behind</th>
              <th className="text-right">Records waiting</th>
              <th className="pr-4 text-right">Checkpoint</th>
            </tr>
          </thead>
          <tbody>
            {shards.map((shard) => (
              <tr key={shard.id} className="border-border border-t">
                <td className="py-1 pl-4">{shard.id}</td>
                <td>{stateWords[shard.state]}</td>
                <td>
                  {shard.owner || (shard.state === "waiting" ? "–" : <strong>nobody</strong>)}
                </td>
                <td className="text-right">{count(shard.epoch)}</td>
                <td className="text-right">{shortSpan(shard.lag_seconds * 1000)}</td>
                <td className="text-right">{shard.behind < 0 ? "unknown" : count(shard.behind)}</td>
                <td
                  className="max-w-40 truncate pr-4 text-right text-ink-2"
                  title={shard.checkpoint}
                >
                  {shard.checkpoint}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

const stateWords: Record<Shard["state"], string> = {
  open: "open",
  closed: "closed, being read to its end",
  waiting: "waits for its parents",
  finished: "read to its end",
};

function Jobs({ jobs }: { jobs: Job[] }) {
  if (jobs.length === 0) return <p className="px-4 pb-4 text-ink-2">No job has run yet.</p>;
  return (
    <ul className="pb-2">
      {jobs.map((job) => (
        <li
          key={job.id}
          className="grid grid-cols-[minmax(0,1fr)_minmax(160px,260px)_90px] items-center gap-4 border-border border-t px-4 py-1.5"
        >
          <span className="min-w-0">
            <span className="block truncate">
              {job.kind}{" "}
              <span className="text-ink-2">
                {[job.scope, job.reason].filter(Boolean).join(" · ")}
              </span>
            </span>
            {job.error ? <span className="block text-critical">{job.error}</span> : null}
          </span>
          <Progress job={job} />
          <span className="text-right text-ink-2">
            {job.state === "running" ? (
              <Cancel job={job} />
            ) : (
              <Ago at={job.finished ?? job.started} />
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Cancel({ job }: { job: Job }) {
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () =>
      call(`/jobs/${encodeURIComponent(job.id)}/actions/cancel`, { method: "POST" }),
    onSettled: () => client.invalidateQueries({ queryKey: ["jobs"] }),
  });
  return (
    <Button
      disabled={cancel.isPending}
      onClick={() => cancel.mutate()}
      title={
        cancel.isError ? cancel.error.message : "End this job where it stands; what it found stays"
      }
    >
      {cancel.isError ? "Not cancelled" : "Cancel"}
    </Button>
  );
}
