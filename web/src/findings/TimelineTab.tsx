import type { FindingDetail, Transition } from "~/api/types";
import { causeLine } from "~/lib/cause";
import { absolute, resolution, shortSpan } from "~/lib/format";

/** Everything that happened to the finding, newest first. */
export function TimelineTab({ finding: f }: { finding: FindingDetail }) {
  const list = [...f.timeline].sort((a, b) => b.seq - a.seq);
  if (list.length === 0) return <p className="text-ink-2">Nothing is recorded yet.</p>;
  return (
    <ol>
      {list.map((t, i) => (
        <li key={t.id} className="relative pb-4 pl-5">
          {i < list.length - 1 ? (
            <span className="absolute top-3 bottom-[-6px] left-[4px] w-px bg-border" aria-hidden />
          ) : null}
          <span
            aria-hidden
            className={`absolute top-[6px] left-0 size-[9px] rounded-full border ${dot[t.kind]}`}
          />
          <p>
            <strong>{words(t)}</strong> <span className="text-ink-2">{absolute(t.at)}</span>
          </p>
          <p className="text-ink-2">
            {causeLine(t.cause)}
            {t.detected_in_ms === undefined ? "" : ` · detected in ${shortSpan(t.detected_in_ms)}`}
          </p>
          {t.summary && t.kind !== "resolved" ? <p className="text-ink-2">{t.summary}</p> : null}
        </li>
      ))}
    </ol>
  );
}

const dot: Record<Transition["kind"], string> = {
  opened: "border-critical-mark bg-critical-mark",
  reopened: "border-critical-mark bg-critical-mark",
  changed: "border-control bg-surface",
  resolved: "border-ok bg-ok",
  explained: "border-control bg-surface",
};

function words(t: Transition): string {
  if (t.kind === "changed") return "Evidence or severity changed";
  if (t.kind === "explained") return "Cause found";
  if (t.kind === "resolved")
    return `Resolved${t.resolution ? `: ${resolution(t.resolution)}` : ""}`;
  return t.kind === "opened" ? "Opened" : "Reopened";
}
