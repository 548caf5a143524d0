import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import * as queries from "~/api/queries";
import type { Dashboard, FindingsSummary, SeverityLabel } from "~/api/types";
import { clock, count, plural, share } from "~/lib/format";
import { bands, bandText, bandWord } from "~/lib/severity";
import { SeverityGlyph } from "~/ui/Severity";
import { Failure } from "~/ui/States";
import { Ago } from "~/ui/Time";

/** Open findings by severity, beside what they cover: a low number may only mean that little was seen. */
export function Posture({ dashboard }: { dashboard: Dashboard | undefined }) {
  const summary = useQuery(queries.findingsSummary({ state: "ACTIVE" }));
  return (
    <section
      aria-label="Posture"
      className="grid rounded border border-border bg-surface md:grid-cols-[minmax(0,1fr)_minmax(300px,460px)]"
    >
      <div className="flex flex-wrap items-center gap-x-10 gap-y-2 px-4 py-3">
        {summary.error && !summary.data ? (
          <Failure error={summary.error} retry={() => void summary.refetch()} />
        ) : (
          bands.map((band) => <Figure key={band} band={band} summary={summary.data} />)
        )}
      </div>
      <div className="border-border border-t px-4 py-3 md:border-t-0 md:border-l">
        <Coverage dashboard={dashboard} summary={summary.data} />
      </div>
    </section>
  );
}

function Figure({ band, summary }: { band: SeverityLabel; summary: FindingsSummary | undefined }) {
  return (
    <Link to="/findings" search={{ severity: band }} className="group block min-w-[72px]">
      <span className={`flex items-center gap-1.5 text-small ${bandText[band]}`}>
        <SeverityGlyph label={band} /> {bandWord[band]}
      </span>
      <span className="figure block text-[24px] leading-8 group-hover:underline">
        {summary ? count(summary[`${band}_findings`]) : "–"}
      </span>
    </Link>
  );
}

function Coverage(props: {
  dashboard: Dashboard | undefined;
  summary: FindingsSummary | undefined;
}) {
  const { dashboard: d, summary } = props;
  if (!d) return <p className="text-ink-3">Coverage is not known yet.</p>;
  const { accounts, resources, evaluated, unknown } = d.coverage;
  return (
    <div className="flex gap-6">
      <div title={d.score.note}>
        <p className="text-ink-2 text-small">Score</p>
        <p className="figure text-figure">
          {d.score.value === undefined ? (
            <span className="text-ink-3">unknown</span>
          ) : (
            d.score.value.toFixed(1)
          )}
        </p>
      </div>
      <div className="min-w-0 flex-1">
        <p className="text-ink-2 text-small">Coverage</p>
        <p>
          {plural(accounts, "account")}, {plural(resources, "resource")},{" "}
          {plural(evaluated, "check")} made
        </p>
        <p className="text-ink-2">
          {unknown > 0 ? (
            <strong>
              {plural(unknown, "check")} ({share(unknown, evaluated + unknown)}) could not be made
            </strong>
          ) : (
            "every check could be made"
          )}
        </p>
        <p className="text-ink-3 text-small">
          Counts as of {summary ? clock(summary.as_of) : "–"} · score{" "}
          <Ago at={d.generated_at} bare /> old{d.stale ? ", renewing" : ""}
        </p>
      </div>
    </div>
  );
}
