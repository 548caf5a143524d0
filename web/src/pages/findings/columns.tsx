import type { Finding } from "~/api/types";
import { causeLine } from "~/lib/cause";
import { accountId, count, isTime, resolution } from "~/lib/format";
import { Ratio } from "~/ui/Bar";
import type { Column } from "~/ui/Grid";
import { RowLink } from "~/ui/RowLink";
import { Severity } from "~/ui/Severity";
import { Ago } from "~/ui/Time";
import type { Row } from "./rows";

/** By policy; findings stand under their group in the same columns. */
export const groupedColumns: Column<Row>[] = [
  {
    key: "severity",
    header: "Severity",
    width: "84px",
    cell: (row) =>
      row.kind === "group" ? (
        <Severity label={row.group.severity_label} />
      ) : row.kind === "finding" ? (
        <span className="pl-[21px] text-ink-2">
          <Ago at={row.finding.opened_at} bare />
        </span>
      ) : null,
  },
  {
    key: "policy",
    header: "Policy",
    width: "minmax(180px, 1fr)",
    cell: (row) =>
      row.kind === "group" ? (
        <>
          <span aria-hidden className="mr-1 inline-block w-3 text-[11px]">
            {row.open ? "▾" : "▸"}
          </span>
          {row.group.title}
          {row.fresh > 0 ? (
            <strong className="ml-1.5 text-accent" title="Opened since this page was">
              +{row.fresh}
            </strong>
          ) : null}
          {row.group.unknown > 0 ? (
            <span className="ml-2 text-ink-3 text-small">{count(row.group.unknown)} unknown</span>
          ) : null}
          {row.group.status === "suspended" ? (
            <span className="ml-2 text-ink-3 text-small">suspended</span>
          ) : null}
        </>
      ) : row.kind === "finding" ? (
        <ResourceLink finding={row.finding} />
      ) : (
        <span className={row.more ? "link" : "text-ink-2"}>{row.text}</span>
      ),
  },
  {
    key: "service",
    header: "Service",
    width: "82px",
    from: 620,
    cell: (row) => (
      <span className="text-ink-2">
        {row.kind === "group"
          ? row.group.service
          : row.kind === "finding"
            ? row.finding.region
            : ""}
      </span>
    ),
  },
  {
    key: "failing",
    header: "Failing / in scope",
    width: "112px",
    align: "end",
    cell: (row) =>
      row.kind === "group" ? (
        <Ratio part={row.group.failing} whole={row.group.in_scope} />
      ) : row.kind === "finding" ? (
        <span className="text-ink-2">{accountId(row.finding.account_id)}</span>
      ) : null,
  },
  {
    key: "accounts",
    header: "Accounts",
    width: "84px",
    align: "end",
    from: 540,
    cell: (row) =>
      row.kind === "group" ? (
        count(row.group.accounts)
      ) : row.kind === "finding" ? (
        <span className="text-ink-2">{row.finding.account_name}</span>
      ) : null,
  },
  {
    key: "last",
    header: "Last new",
    width: "78px",
    align: "end",
    from: 700,
    cell: (row) =>
      row.kind === "group" ? (
        <span className="text-ink-2">
          {isTime(row.group.last_opened_at) ? <Ago at={row.group.last_opened_at} /> : "–"}
        </span>
      ) : row.kind === "finding" ? (
        <span className="text-ink-2">{mark(row.finding)}</span>
      ) : null,
  },
];

/** One row a finding. */
export const flatColumns: Column<Row>[] = [
  {
    key: "severity",
    header: "Severity",
    width: "86px",
    cell: (row) =>
      row.kind === "finding" ? <Severity label={row.finding.severity_label} /> : null,
  },
  {
    key: "resource",
    header: "Resource",
    width: "minmax(180px, 1.2fr)",
    cell: (row) => (row.kind === "finding" ? <ResourceLink finding={row.finding} flat /> : null),
  },
  {
    key: "policy",
    header: "Policy",
    width: "minmax(150px, 1fr)",
    from: 720,
    cell: (row) => (row.kind === "finding" ? row.finding.policy_title : null),
  },
  {
    key: "cause",
    header: "Cause",
    width: "minmax(140px, 0.8fr)",
    from: 1000,
    cell: (row) =>
      row.kind === "finding" ? (
        <span className="text-ink-2">{causeLine(row.finding.cause)}</span>
      ) : null,
  },
  {
    key: "account",
    header: "Account",
    width: "110px",
    from: 560,
    cell: (row) =>
      row.kind === "finding" ? (
        <span className="text-ink-2" title={accountId(row.finding.account_id)}>
          {row.finding.account_name || accountId(row.finding.account_id)}
        </span>
      ) : null,
  },
  {
    key: "region",
    header: "Region",
    width: "90px",
    from: 860,
    cell: (row) =>
      row.kind === "finding" ? <span className="text-ink-2">{row.finding.region}</span> : null,
  },
  {
    key: "age",
    header: "Open for",
    width: "104px",
    align: "end",
    cell: (row) =>
      row.kind === "finding" ? (
        <span className="text-ink-2">
          {row.finding.state === "RESOLVED" ? (
            `resolved, ${resolution(row.finding.resolution)}`
          ) : (
            <Ago at={row.finding.opened_at} bare />
          )}
        </span>
      ) : null,
  },
];

function ResourceLink({ finding: f, flat = false }: { finding: Finding; flat?: boolean }) {
  return (
    <RowLink href={`/findings/${f.id}`} title={f.arn} struck={f.state === "RESOLVED"}>
      {flat ? f.resource_name : f.arn || f.resource_name}
    </RowLink>
  );
}

function mark(f: Finding): string {
  if (f.state === "RESOLVED") return resolution(f.resolution) || "resolved";
  if (f.unknown) return "unknown";
  if (f.reopened > 0) return `reopened ×${f.reopened}`;
  return Date.now() - Date.parse(f.opened_at) < 10 * 60_000 ? "new" : "";
}
