import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useRef, useState } from "react";
import * as queries from "~/api/queries";
import type { Policy } from "~/api/types";
import { count, sentence } from "~/lib/format";
import type { PolicyTab } from "~/lib/search";
import { useShortcuts } from "~/lib/shortcuts";
import { scopeWords } from "~/policies/form";
import { usePolicyRefusal } from "~/policies/permission";
import { PageHeader } from "~/shell/PageHeader";
import { Ratio } from "~/ui/Bar";
import { Button } from "~/ui/Button";
import { type Column, Grid } from "~/ui/Grid";
import { Loaded } from "~/ui/Query";
import { RowLink } from "~/ui/RowLink";
import { Severity } from "~/ui/Severity";
import { Empty } from "~/ui/States";
import { Ago } from "~/ui/Time";
import { policies as route } from "./route";

const LaunchDialog = lazy(() =>
  import("~/policies/LaunchDialog").then((m) => ({ default: m.LaunchDialog })),
);

const words: Record<PolicyTab, { label: string; empty: string }> = {
  active: { label: "Active", empty: "No policy is launched, so nothing is evaluated" },
  suspended: { label: "Suspended", empty: "No policy is suspended" },
  available: { label: "Available", empty: "Every policy of the catalogue is launched" },
};

export function PoliciesPage() {
  const { tab: chosen, q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(queries.policies());
  const refused = usePolicyRefusal();
  const [launching, setLaunching] = useState<Policy | undefined>();
  const searchBox = useRef<HTMLInputElement>(null);
  useShortcuts({
    "/": () => {
      searchBox.current?.focus();
      return true;
    },
  });
  const all = query.data ?? [];
  const of = (tab: PolicyTab) => all.filter((p) => p.status === tab);
  const tab = chosen ?? (query.data && of("active").length === 0 ? "available" : "active");
  const needle = q.toLowerCase();
  const rows = of(tab)
    .filter((p) =>
      [p.title, p.policy_id, p.service, p.category].some((s) => s.toLowerCase().includes(needle)),
    )
    .sort((a, b) => b.severity - a.severity || a.title.localeCompare(b.title));
  return (
    <>
      <PageHeader
        title="Policies"
        sub={query.data ? `${count(of("active").length)} active of ${count(all.length)}` : null}
      />
      <div className="flex flex-wrap items-center gap-1.5 px-4 py-2.5">
        {(Object.keys(words) as PolicyTab[]).map((t) => (
          <Link
            key={t}
            to="/policies"
            search={{ tab: t, ...(q ? { q } : {}) }}
            aria-current={t === tab ? "page" : undefined}
            className={`inline-flex h-[26px] items-center gap-1.5 rounded border px-2.5 ${t === tab ? "border-control bg-surface font-[650]" : "border-transparent text-ink-2 hover:text-ink"}`}
          >
            {words[t].label} <span className="font-normal text-ink-3">{count(of(t).length)}</span>
          </Link>
        ))}
        <input
          ref={searchBox}
          type="search"
          value={q}
          aria-label="Search policies"
          placeholder="Search   /"
          onChange={(e) =>
            void navigate({ search: (old) => ({ ...old, q: e.target.value }), replace: true })
          }
          className="ml-auto h-[26px] w-[180px] rounded border border-border bg-surface px-2 placeholder:text-ink-3"
        />
      </div>
      <div className="flex min-h-0 flex-1 flex-col">
        <Loaded of={query} rows={12}>
          {() =>
            rows.length === 0 ? (
              <Empty title={q ? "No policy matches the search" : words[tab].empty}>
                {tab === "active" && !q ? (
                  <Link className="link" to="/policies" search={{ tab: "available" }}>
                    See those that can be launched
                  </Link>
                ) : null}
              </Empty>
            ) : (
              <Grid
                label={`${words[tab].label} policies`}
                columns={columns(tab, refused, setLaunching)}
                rows={rows}
                rowKey={(p) => p.policy_id}
                onActivate={(p) =>
                  void navigate({ to: "/policies/$id", params: { id: p.policy_id } })
                }
              />
            )
          }
        </Loaded>
      </div>
      <Suspense fallback={null}>
        {launching ? (
          <LaunchDialog
            policy={launching}
            onClose={() => setLaunching(undefined)}
            onDone={({ job_id }) => {
              const id = launching.policy_id;
              setLaunching(undefined);
              void navigate({
                to: "/policies/$id",
                params: { id },
                state: job_id ? { job: job_id } : {},
              });
            }}
          />
        ) : null}
      </Suspense>
    </>
  );
}

function columns(
  tab: PolicyTab,
  refused: string | undefined,
  launch: (policy: Policy) => void,
): Column<Policy>[] {
  const common: Column<Policy>[] = [
    {
      key: "severity",
      header: "Severity",
      width: "86px",
      cell: (p) => <Severity label={p.severity_label} />,
    },
    {
      key: "title",
      header: "Policy",
      width: "minmax(200px, 1.4fr)",
      cell: (p) => (
        <RowLink href={`/policies/${p.policy_id}`}>
          {p.title} <span className="text-ink-3">{p.policy_id}</span>
        </RowLink>
      ),
    },
    {
      key: "service",
      header: "Service",
      width: "70px",
      from: 620,
      cell: (p) => <span className="text-ink-2">{p.service}</span>,
    },
  ];
  if (tab === "available") {
    return [
      ...common,
      {
        key: "category",
        header: "Category",
        width: "minmax(120px, 0.6fr)",
        from: 720,
        cell: (p) => <span className="text-ink-2">{sentence(p.category)}</span>,
      },
      {
        key: "launch",
        header: "",
        width: "86px",
        align: "end",
        cell: (p) => (
          <Button
            refused={refused}
            className="h-6"
            aria-label={`Launch ${p.title}`}
            onClick={(e) => {
              e.preventDefault();
              launch(p);
            }}
          >
            Launch…
          </Button>
        ),
      },
    ];
  }
  return [
    ...common,
    {
      key: "failing",
      header: "Failing / in scope",
      width: "118px",
      align: "end",
      cell: (p) => <Ratio part={p.failing} whole={p.in_scope} />,
    },
    {
      key: "unknown",
      header: "Unknown",
      width: "70px",
      align: "end",
      from: 700,
      cell: (p) => <span className={p.unknown > 0 ? "" : "text-ink-3"}>{count(p.unknown)}</span>,
    },
    {
      key: "scope",
      header: "\u2003Scope",
      width: "minmax(110px, 0.6fr)",
      from: 860,
      cell: (p) => <span className="pl-4 text-ink-2">{scopeWords(p.scope)}</span>,
    },
    {
      key: "updated",
      header: "Changed",
      width: "90px",
      align: "end",
      from: 760,
      cell: (p) => (
        <span className="text-ink-2">
          <Ago at={p.updated_at} />
        </span>
      ),
    },
  ];
}
