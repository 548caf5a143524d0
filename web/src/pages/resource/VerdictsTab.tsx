import { Link } from "@tanstack/react-router";
import type { Outcome, ResourceVerdict } from "~/api/types";
import { Severity } from "~/ui/Severity";

const outcomes: Record<Outcome, { word: string; mark: string; className: string }> = {
  fail: { word: "fails", mark: "✗", className: "text-critical" },
  unknown: { word: "unknown", mark: "?", className: "text-medium" },
  pass: { word: "passes", mark: "✓", className: "text-ok" },
  skip: { word: "not in scope", mark: "–", className: "text-ink-3" },
};

const order: Outcome[] = ["fail", "unknown", "pass", "skip"];

/** What every launched policy says of the resource, and why where it can say nothing. */
export function VerdictsTab({ verdicts }: { verdicts: ResourceVerdict[] }) {
  if (verdicts.length === 0) {
    return <p className="text-ink-2">No launched policy judges resources of this type.</p>;
  }
  const sorted = [...verdicts].sort(
    (a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome) || b.severity - a.severity,
  );
  return (
    <ul>
      {sorted.map((v) => {
        const outcome = outcomes[v.outcome];
        return (
          <li
            key={v.policy}
            className="grid grid-cols-[110px_86px_minmax(0,1fr)] items-start gap-3 border-border border-b py-1"
          >
            <span className={outcome.className}>
              <span aria-hidden className="mr-2 inline-block w-3 text-center">
                {outcome.mark}
              </span>
              {outcome.word}
            </span>
            <Severity label={v.severity_label} />
            <span>
              {v.finding_id && v.outcome === "fail" ? (
                <Link to="/findings/$id" params={{ id: v.finding_id }} className="hover:underline">
                  {v.policy_title}
                </Link>
              ) : (
                v.policy_title
              )}
              {v.reason ? <span className="block text-ink-2">{v.reason}</span> : null}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
