import { useQuery } from "@tanstack/react-query";
import { Link, useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { ApiError } from "~/api/client";
import * as queries from "~/api/queries";
import type { PolicyDetail } from "~/api/types";
import { Frameworks, Part } from "~/findings/FixTab";
import { count, plural, sentence } from "~/lib/format";
import { paramText, scopeWords } from "~/policies/form";
import { JobProgress } from "~/policies/JobProgress";
import { MutationError } from "~/policies/MutationError";
import { usePolicyRefusal } from "~/policies/permission";
import { PageHeader } from "~/shell/PageHeader";
import { Button } from "~/ui/Button";
import { Code } from "~/ui/Copy";
import { Facts } from "~/ui/Facts";
import { Markdown } from "~/ui/Markdown";
import { Loaded } from "~/ui/Query";
import { Severity } from "~/ui/Severity";
import { Empty } from "~/ui/States";
import { Ago } from "~/ui/Time";
import { toast } from "~/ui/Toasts";
import { policy as route } from "./route";
import { useSetStatus } from "./useSetStatus";

const LaunchDialog = lazy(() =>
  import("~/policies/LaunchDialog").then((m) => ({ default: m.LaunchDialog })),
);
const DeleteDialog = lazy(() =>
  import("~/policies/DeleteDialog").then((m) => ({ default: m.DeleteDialog })),
);

declare module "@tanstack/react-router" {
  interface HistoryState {
    /** The job that a launch started, carried to the policy's page. */
    job?: string;
  }
}

type PolicyWithTag = PolicyDetail & { etag: string };

export function PolicyPage() {
  const { id } = route.useParams();
  const query = useQuery(queries.policy(id));
  const gone = query.error instanceof ApiError && query.error.status === 404 && !query.data;
  return (
    <>
      <PageHeader title="Policy" sub={id} />
      <div className="min-h-0 flex-1 overflow-auto bg-surface">
        {gone ? (
          <Empty title="There is no such policy">
            <Link className="link" to="/policies">
              See all policies
            </Link>
          </Empty>
        ) : (
          <Loaded of={query} rows={12}>
            {(policy) => <Detail policy={policy} />}
          </Loaded>
        )}
      </div>
    </>
  );
}

function Detail({ policy: p }: { policy: PolicyWithTag }) {
  const started = useLocation({ select: (l) => l.state.job });
  const [job, setJob] = useState(started);
  const [dialog, setDialog] = useState<"launch" | "delete" | undefined>();
  const refused = usePolicyRefusal();
  const navigate = useNavigate();
  const status = useSetStatus(p, ({ job_id }) => setJob(job_id));
  const launched = p.status !== "available";
  const close = () => setDialog(undefined);
  return (
    <article className="mx-auto w-full max-w-[1040px] p-6">
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div>
          <p className="flex items-center gap-2">
            <Severity label={p.severity_label} score={p.severity} />
            <span className="text-ink-2">{p.status}</span>
          </p>
          <h2 className="mt-1 font-[650] text-head">{p.title}</h2>
        </div>
        <div className="flex flex-wrap gap-2">
          {launched ? (
            <>
              <Button kind="primary" refused={refused} onClick={() => setDialog("launch")}>
                Edit…
              </Button>
              <Button
                refused={refused}
                disabled={status.isPending}
                onClick={() => status.mutate(p.status === "active" ? "suspended" : "active")}
              >
                {p.status === "active" ? "Suspend" : "Resume"}
              </Button>
              <Button kind="danger" refused={refused} onClick={() => setDialog("delete")}>
                Delete…
              </Button>
            </>
          ) : (
            <Button kind="primary" refused={refused} onClick={() => setDialog("launch")}>
              Launch…
            </Button>
          )}
        </div>
      </div>
      <MutationError error={status.error} />
      {job ? (
        <div className="mt-3">
          <JobProgress id={job} />
        </div>
      ) : null}
      {p.status === "suspended" ? (
        <p className="mt-3 border-l-[3px] border-l-medium-mark bg-sunken px-3 py-1">
          Suspended: nothing is evaluated, and its findings are kept as they were.
        </p>
      ) : null}
      <div className="mt-5 grid gap-8 md:grid-cols-[minmax(0,1fr)_320px]">
        <Body policy={p} />
        <Side policy={p} launched={launched} />
      </div>
      <Suspense fallback={null}>
        {dialog === "launch" ? (
          <LaunchDialog
            policy={p}
            etag={p.etag}
            onClose={close}
            onDone={({ job_id }) => {
              close();
              setJob(job_id);
            }}
          />
        ) : null}
        {dialog === "delete" ? (
          <DeleteDialog
            id={p.policy_id}
            onClose={close}
            onSuspend={() => {
              close();
              status.mutate("suspended");
            }}
            onDone={({ findings_deleted }) => {
              close();
              toast({
                id: `deleted ${p.policy_id}`,
                body: `${p.policy_id} was deleted and ${plural(findings_deleted, "finding")} resolved.`,
              });
              void navigate({ to: "/policies", search: { tab: "available" } });
            }}
          />
        ) : null}
      </Suspense>
    </article>
  );
}

function Body({ policy: p }: { policy: PolicyWithTag }) {
  return (
    <div className="min-w-0 space-y-5">
      <Markdown source={p.description} />
      {p.risk ? (
        <Part title="Why it matters">
          <Markdown source={p.risk} />
        </Part>
      ) : null}
      {p.remediation ? (
        <Part
          title={p.remediation_override ? "Fixing it, in your organisation's words" : "Fixing it"}
        >
          <Markdown source={p.remediation} />
        </Part>
      ) : null}
      {p.source ? (
        <Part title="Definition">
          <Code text={p.source} label="The policy's file" />
        </Part>
      ) : null}
    </div>
  );
}

function Side({ policy: p, launched }: { policy: PolicyWithTag; launched: boolean }) {
  return (
    <div className="space-y-5">
      {launched ? (
        <Facts
          of={[
            [
              "Open findings",
              <Link
                key="open"
                className="link"
                to="/findings"
                search={{ policy: p.policy_id, group: "none" }}
              >
                {count(p.open_findings)}
              </Link>,
            ],
            ["Failing", count(p.failing)],
            ["Passing", count(p.passing)],
            ["Unknown", count(p.unknown)],
            ["In scope", plural(p.in_scope, "resource")],
            ["Scope", scopeWords(p.scope)],
            ["Launched", <Ago key="created" at={p.created_at} />],
            ["Changed", <Ago key="updated" at={p.updated_at} />],
            ["Generation", count(p.generation)],
          ]}
        />
      ) : null}
      <Facts
        of={[
          ["Id", p.policy_id],
          ["Judges", p.resource_type],
          ["Category", sentence(p.category)],
          ["Own severity", String(p.default_severity)],
          ["Follows the clock", p.uses_clock ? "yes" : "no"],
        ]}
      />
      {p.params.length > 0 ? (
        <Part title="Parameters">
          <dl className="space-y-1">
            {p.params.map((param) => (
              <div key={param.name}>
                <dt>
                  {param.name}:{" "}
                  <strong>{paramText(param.value ?? param.default ?? null) || "empty"}</strong>
                </dt>
                <dd className="text-ink-2">{param.help}</dd>
              </div>
            ))}
          </dl>
        </Part>
      ) : null}
      <Frameworks of={p.frameworks} />
    </div>
  );
}
