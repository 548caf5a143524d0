import { useRef, useState } from "react";
import type { Dashboard, Week } from "~/api/types";
import { count, plural } from "~/lib/format";
import { Button } from "~/ui/Button";
import { Panel } from "~/ui/Panel";
import { Ago } from "~/ui/Time";
import { useWidth } from "~/ui/useWidth";

const height = 250;
const margin = { top: 12, right: 8, bottom: 22, left: 44 };

/** Eight weeks: the open findings as a line, over what opened and what was resolved. */
export function Trend({ dashboard, open }: { dashboard: Dashboard; open: number | undefined }) {
  const [table, setTable] = useState(false);
  // The counts of past weeks come with the dashboard; what is open now is live.
  const weeks = dashboard.findings_weekly.map((w) =>
    w.is_current && open !== undefined ? { ...w, open_findings: open } : w,
  );
  return (
    <Panel title={trendTitle(weeks)} note={<Ago at={dashboard.generated_at} />}>
      {table ? <TrendTable weeks={weeks} /> : <Chart weeks={weeks} />}
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 pb-3 text-ink-2 text-small">
        <Swatch className="h-0.5 bg-ink">open at the week's end</Swatch>
        <Swatch className="h-2 bg-control">opened</Swatch>
        <Swatch className="h-2 bg-critical-mark">of them critical</Swatch>
        <Swatch className="h-2 border border-control">resolved</Swatch>
        <Button kind="quiet" className="ml-auto" onClick={() => setTable(!table)}>
          {table ? "Show as chart" : "Show as table"}
        </Button>
      </div>
    </Panel>
  );
}

export function trendTitle(weeks: Week[]): string {
  const now = weeks.at(-1);
  const before = weeks.at(-2);
  if (!now) return "No week has been counted yet";
  if (!before) return `${count(now.open_findings)} open`;
  const by = now.open_findings - before.open_findings;
  const change =
    by === 0 ? "as many as" : `${count(Math.abs(by))} ${by > 0 ? "more" : "fewer"} than`;
  return `${count(now.open_findings)} open, ${change} at the end of last week`;
}

function Swatch({ className, children }: { className: string; children: string }) {
  return (
    <span className="flex items-center gap-1.5">
      <span className={`inline-block w-3 ${className}`} aria-hidden />
      {children}
    </span>
  );
}

function Chart({ weeks }: { weeks: Week[] }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const inner = {
    w: Math.max(0, width - margin.left - margin.right),
    h: height - margin.top - margin.bottom,
  };
  const top = nice(
    Math.max(1, ...weeks.flatMap((w) => [w.open_findings, w.new_findings, w.closed_findings])),
  );
  const x = (i: number) => margin.left + (inner.w * (i + 0.5)) / Math.max(1, weeks.length);
  const y = (n: number) => margin.top + inner.h * (1 - n / top);
  const bar = Math.min(22, inner.w / Math.max(1, weeks.length) / 3.2);
  const line = weeks.map((w, i) => `${i === 0 ? "M" : "L"}${x(i)} ${y(w.open_findings)}`).join(" ");
  return (
    <div ref={box} className="px-2">
      {width > 0 ? (
        <svg
          width={width - 16}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          role="img"
          aria-label={trendTitle(weeks)}
        >
          {[0, 0.5, 1].map((part) => (
            <g key={part}>
              <line
                x1={margin.left}
                x2={width - margin.right}
                y1={y(top * part)}
                y2={y(top * part)}
                stroke="var(--border)"
              />
              <text
                x={margin.left - 8}
                y={y(top * part) + 4}
                textAnchor="end"
                fontSize="12"
                fill="var(--text-3)"
              >
                {count(top * part)}
              </text>
            </g>
          ))}
          {weeks.map((w, i) => (
            <g key={w.week_start}>
              <title>{`Week of ${w.week_start.slice(0, 10)}: ${count(w.open_findings)} open, ${plural(w.new_findings, "finding")} opened (${count(w.critical_new)} critical), ${count(w.closed_findings)} resolved`}</title>
              <rect
                x={x(i) - bar - 1}
                width={bar}
                y={y(w.new_findings)}
                height={y(0) - y(w.new_findings)}
                fill="var(--control)"
              />
              <rect
                x={x(i) - bar - 1}
                width={bar}
                y={y(w.critical_new)}
                height={y(0) - y(w.critical_new)}
                fill="var(--critical-mark)"
              />
              <rect
                x={x(i) + 1.5}
                width={bar - 1}
                y={y(w.closed_findings)}
                height={y(0) - y(w.closed_findings)}
                fill="none"
                stroke="var(--control)"
              />
              <text x={x(i)} y={height - 6} textAnchor="middle" fontSize="12" fill="var(--text-3)">
                {w.is_current ? "this week" : w.week_start.slice(5, 10)}
              </text>
            </g>
          ))}
          <path d={line} fill="none" stroke="var(--text-1)" strokeWidth="1.5" />
          {weeks.map((w, i) => (
            <circle
              key={w.week_start}
              cx={x(i)}
              cy={y(w.open_findings)}
              r="3"
              fill="var(--surface)"
              stroke="var(--text-1)"
              strokeWidth="1.5"
            />
          ))}
        </svg>
      ) : (
        <div style={{ height }} />
      )}
    </div>
  );
}

function TrendTable({ weeks }: { weeks: Week[] }) {
  return (
    <table className="mx-4 mb-2 w-[calc(100%-32px)] text-right">
      <thead>
        <tr className="text-ink-2 text-small [&>th]:font-normal">
          <th className="text-left">Week of</th>
          <th>Open</th>
          <th>Opened</th>
          <th>of them critical</th>
          <th>Resolved</th>
        </tr>
      </thead>
      <tbody>
        {weeks.map((w) => (
          <tr key={w.week_start} className="border-border border-t">
            <td className="text-left">{w.week_start.slice(0, 10)}</td>
            <td>{count(w.open_findings)}</td>
            <td>{count(w.new_findings)}</td>
            <td>{count(w.critical_new)}</td>
            <td>{count(w.closed_findings)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The next round number for the top of an axis. */
export function nice(n: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(2, n)));
  for (const step of [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10])
    if (step * power >= n) return Math.max(2, step * power);
  return 10 * power;
}
