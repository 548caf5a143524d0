import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense } from "react";
import { ApiError } from "~/api/client";
import * as queries from "~/api/queries";
import type { FindingDetail } from "~/api/types";
import { resolution, staleWords } from "~/lib/format";
import type { FindingTab } from "~/lib/search";
import { AccountName } from "~/ui/Account";
import { Button, buttonClass } from "~/ui/Button";
import { CopyButton } from "~/ui/Copy";
import { Loaded } from "~/ui/Query";
import { Severity } from "~/ui/Severity";
import { Empty, Skeleton } from "~/ui/States";
import { type Tab, Tabs } from "~/ui/Tabs";
import { Ago } from "~/ui/Time";
import { CauseCard } from "./CauseCard";
import { EvidenceTab } from "./EvidenceTab";
import { FixTab } from "./FixTab";
import { RawTab, ResourceTab } from "./ResourceTab";
import { TimelineTab } from "./TimelineTab";

const ChangeTab = lazy(() => import("./ChangeTab").then((m) => ({ default: m.ChangeTab })));

const tabs: Tab<FindingTab>[] = [
  { value: "evidence", label: "Evidence" },
  { value: "change", label: "Change" },
  { value: "fix", label: "Fix" },
  { value: "timeline", label: "Timeline" },
  { value: "resource", label: "Resource" },
  { value: "raw", label: "Raw" },
];

/** One finding, in the panel beside a list and on its own page alike. */
export function FindingView(props: {
  id: string;
  tab: FindingTab;
  onTab: (tab: FindingTab) => void;
  /** Shown at the right of the first line, such as the buttons of the panel. */
  corner?: ReactNode;
  page?: boolean;
}) {
  const { id, corner } = props;
  const query = useQuery(queries.finding(id));
  if (query.error instanceof ApiError && query.error.status === 404 && !query.data) {
    return (
      <div className="p-4">
        <div className="flex justify-end gap-2">{corner}</div>
        <Empty title="There is no such finding">
          It may have been removed with its account. The id was {id}.
        </Empty>
      </div>
    );
  }
  return (
    <Loaded of={query} rows={10}>
      {(finding) => <Detail {...props} finding={finding} />}
    </Loaded>
  );
}

function Detail(props: {
  finding: FindingDetail;
  tab: FindingTab;
  onTab: (tab: FindingTab) => void;
  corner?: ReactNode;
  page?: boolean;
}) {
  const { finding: f, tab, onTab, corner, page } = props;
  const opening = [...f.timeline]
    .sort((a, b) => b.seq - a.seq)
    .find((t) => t.kind === "opened" || t.kind === "reopened");
  return (
    <article className={page ? "mx-auto w-full max-w-[960px] p-6" : "p-[18px] pt-3"}>
      <div className="flex min-h-6 items-center gap-2">
        <Severity label={f.severity_label} score={f.severity} />
        <span className="min-w-0 truncate text-ink-2">
          <StateWords finding={f} /> · {f.id}
        </span>
        <span className="ml-auto flex shrink-0 items-center gap-1">{corner}</span>
      </div>
      <h2 className="mt-1 font-[650] text-title">{f.policy_title}</h2>
      <p className="mt-0.5">
        <Link to="/inventory/$id" params={{ id: f.resource_id }} className="hover:underline">
          {f.resource_name}
        </Link>
        <span className="text-ink-2">
          {" · "}
          <AccountName id={f.account_id} name={f.account_name} /> · {f.region}
        </span>
      </p>
      <Notices finding={f} />
      <div className="mt-3 space-y-2">
        <CauseCard cause={f.cause} detectedInMs={opening?.detected_in_ms} />
        {f.state === "RESOLVED" && f.resolved_cause ? (
          <CauseCard cause={f.resolved_cause} good />
        ) : null}
      </div>
      <div className="mt-3 flex flex-wrap gap-2">
        <Button kind="primary" onClick={() => onTab("fix")}>
          Fix steps
        </Button>
        <CopyButton text={new URL(`/findings/${f.id}`, location.href).href} label="Copy link" />
        {f.console_url ? (
          <a className={buttonClass()} href={f.console_url} target="_blank" rel="noreferrer">
            Open in AWS console
          </a>
        ) : null}
        {page ? null : (
          <Link className={buttonClass()} to="/findings/$id" params={{ id: f.id }} search={{ tab }}>
            Open page
          </Link>
        )}
      </div>
      <Tabs label="Parts of the finding" tabs={tabs} value={tab} onChange={onTab} className="mt-3">
        <Suspense fallback={<Skeleton rows={4} />}>
          {tab === "evidence" ? <EvidenceTab finding={f} /> : null}
          {tab === "change" ? <ChangeTab finding={f} /> : null}
          {tab === "fix" ? <FixTab finding={f} /> : null}
          {tab === "timeline" ? <TimelineTab finding={f} /> : null}
          {tab === "resource" ? <ResourceTab finding={f} /> : null}
          {tab === "raw" ? <RawTab finding={f} /> : null}
        </Suspense>
      </Tabs>
    </article>
  );
}

function StateWords({ finding: f }: { finding: FindingDetail }) {
  if (f.state === "RESOLVED") {
    return (
      <>
        resolved <Ago at={f.resolved_at} />
        {f.resolution ? `, ${resolution(f.resolution)}` : ""}
      </>
    );
  }
  return (
    <>
      open <Ago at={f.opened_at} bare />
      {f.reopened > 0 ? `, reopened ×${f.reopened}` : ""}
    </>
  );
}

/** What limits the finding: it could not be judged again, or its policy rests. */
function Notices({ finding: f }: { finding: FindingDetail }) {
  const notices: string[] = [];
  if (f.unknown)
    notices.push(`Cannot be evaluated at present, the state is the last one known: ${f.unknown}`);
  if (f.stale) notices.push(staleWords(f.stale));
  if (f.policy_status === "suspended")
    notices.push("The policy is suspended: the finding is kept as it was and not evaluated.");
  if (f.resource_deleted) notices.push("The resource has been deleted.");
  return notices.map((text) => (
    <p key={text} className="mt-2 border-l-[3px] border-l-medium-mark bg-sunken px-3 py-1">
      {text}
    </p>
  ));
}
