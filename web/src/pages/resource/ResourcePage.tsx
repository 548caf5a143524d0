import { useQuery } from "@tanstack/react-query";
import { ApiError } from "~/api/client";
import * as queries from "~/api/queries";
import type { ResourceDetail } from "~/api/types";
import { accountId, count } from "~/lib/format";
import type { ResourceSearch, ResourceTab } from "~/lib/search";
import { PageHeader } from "~/shell/PageHeader";
import { CopyButton } from "~/ui/Copy";
import { Facts } from "~/ui/Facts";
import { JsonTree } from "~/ui/JsonTree";
import { Loaded } from "~/ui/Query";
import { Empty } from "~/ui/States";
import { Tabs } from "~/ui/Tabs";
import { Ago } from "~/ui/Time";
import { FindingsTab } from "./FindingsTab";
import { HistoryTab } from "./HistoryTab";
import { resource as route } from "./route";
import { VerdictsTab } from "./VerdictsTab";

export function ResourcePage() {
  const { id } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(queries.resource(id));
  const gone = query.error instanceof ApiError && query.error.status === 404 && !query.data;
  return (
    <>
      <PageHeader title="Resource" sub={query.data?.type_title ?? id} />
      <div className="min-h-0 flex-1 overflow-auto bg-surface">
        {gone ? (
          <Empty title="There is no such resource">The id was {id}.</Empty>
        ) : (
          <Loaded of={query} rows={12}>
            {(resource) => (
              <Detail
                resource={resource}
                search={search}
                onSearch={(next) => void navigate({ search: next, replace: true })}
              />
            )}
          </Loaded>
        )}
      </div>
    </>
  );
}

function Detail(props: {
  resource: ResourceDetail;
  search: ResourceSearch;
  onSearch: (search: ResourceSearch) => void;
}) {
  const { resource: r, search, onSearch } = props;
  const tab: ResourceTab = search.tab ?? "configuration";
  const unseen = r.verdicts.filter((v) => v.outcome === "unknown").length;
  return (
    <article className="mx-auto w-full max-w-[1040px] p-6">
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <h2 className="break-all font-[650] text-head">{r.name}</h2>
          <p className="break-all text-ink-2">{r.arn}</p>
        </div>
        <CopyButton text={r.arn || r.name} label="Copy ARN" />
      </div>
      {r.deleted ? (
        <p className="mt-3 border-l-[3px] border-l-control bg-sunken px-3 py-1">
          Deleted. What follows is its last configuration.
        </p>
      ) : null}
      {r.unfinished && !r.deleted ? (
        <p className="mt-3 border-l-[3px] border-l-control bg-sunken px-3 py-1">
          AWS is still at work on this resource. qrie looks at it again until that has ended.
        </p>
      ) : null}
      {r.missing.length > 0 ? (
        <div className="mt-3 border-l-[3px] border-l-medium-mark bg-sunken px-3 py-2">
          <p>
            <strong>Parts of this resource could not be seen.</strong> Policies that need them are
            neither passed nor failed.
          </p>
          <ul className="text-ink-2">
            {r.missing.map((m) => (
              <li key={m.member}>
                {m.member}: {m.code}
                {m.action ? (
                  <>
                    , needs <code>{m.action}</code>
                  </>
                ) : null}
              </li>
            ))}
          </ul>
        </div>
      ) : null}
      <div className="mt-4 grid gap-x-8 gap-y-1 md:grid-cols-2">
        <Facts
          of={[
            ["Type", r.resource_type],
            ["Account", `${accountId(r.account_id)} ${r.account_name}`],
            ["Region", r.region],
            ["Tags", <Tags key="tags" tags={r.tags} />],
          ]}
        />
        <Facts
          of={[
            ["Version", count(r.version)],
            ["Changed", <Ago key="changed" at={r.changed_at} />],
            ["Read", <Ago key="read" at={r.observed_at} />],
            ["First seen", <Ago key="first" at={r.first_seen} />],
          ]}
        />
      </div>
      <Tabs<ResourceTab>
        label="Parts of the resource"
        className="mt-5"
        value={tab}
        onChange={(next) => onSearch({ tab: next })}
        tabs={[
          { value: "configuration", label: "Configuration" },
          { value: "history", label: "History" },
          { value: "findings", label: "Findings", note: count(r.findings.length) },
          {
            value: "verdicts",
            label: "Verdicts",
            ...(unseen > 0 ? { note: `${count(unseen)} unknown` } : {}),
          },
        ]}
      >
        {tab === "configuration" ? (
          <JsonTree document={r.configuration} openDepth={3} label="Configuration" />
        ) : null}
        {tab === "history" ? <HistoryTab resource={r} search={search} onSearch={onSearch} /> : null}
        {tab === "findings" ? <FindingsTab findings={r.findings} /> : null}
        {tab === "verdicts" ? <VerdictsTab verdicts={r.verdicts} /> : null}
      </Tabs>
    </article>
  );
}

function Tags({ tags }: { tags: Record<string, string> }) {
  const list = Object.entries(tags);
  if (list.length === 0) return <span className="text-ink-3">none</span>;
  return (
    <span className="flex flex-wrap gap-x-3">
      {list.map(([key, value]) => (
        <span key={key}>
          <span className="text-ink-3">{key}=</span>
          {value}
        </span>
      ))}
    </span>
  );
}
