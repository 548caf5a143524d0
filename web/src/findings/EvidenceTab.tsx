import type { FindingDetail, JsonObject } from "~/api/types";
import { count, plural } from "~/lib/format";
import { pathWords } from "~/lib/pointer";
import { JsonTree } from "~/ui/JsonTree";
import { Ago } from "~/ui/Time";

/** What is wrong in the configuration: the offending members, marked where they stand. */
export function EvidenceTab({ finding: f }: { finding: FindingDetail }) {
  const { pointers, violations, total } = f.evidence;
  const first = pointers[0];
  return (
    <div className="space-y-2">
      {f.summary ? <p>{f.summary}</p> : null}
      {first !== undefined ? (
        <p className="text-ink-2">
          {f.state === "RESOLVED" ? "Matched before" : "Matched"}{" "}
          <strong className="text-ink">{pathWords(first)}</strong>
          {pointers.length > 1 ? ` and ${plural(pointers.length - 1, "other member")}` : ""}
        </p>
      ) : null}
      {violations.length > 0 ? <Violations of={violations} total={total} /> : null}
      <JsonTree
        document={f.document}
        pointers={f.state === "RESOLVED" ? [] : pointers}
        label="Configuration of the resource"
      />
      <p className="text-ink-3 text-small">
        {f.resource_deleted ? "Last configuration before the deletion, read" : "Configuration read"}{" "}
        <Ago at={f.document_observed_at ?? f.last_evaluated} />, evaluated{" "}
        <Ago at={f.last_evaluated} />
      </p>
    </div>
  );
}

function Violations({ of, total }: { of: JsonObject[]; total: number }) {
  return (
    <>
      <ul className="space-y-1">
        {of.map((violation) => (
          <li key={JSON.stringify(violation)} className="flex flex-wrap gap-x-3">
            {Object.entries(violation).map(([key, value]) => (
              <span key={key} className="min-w-0 break-all">
                <span className="text-ink-3">{key} </span>
                <code>{typeof value === "string" ? value : JSON.stringify(value)}</code>
              </span>
            ))}
          </li>
        ))}
      </ul>
      {total > of.length ? (
        <p className="text-ink-2">
          {count(of.length)} of {count(total)} are shown.
        </p>
      ) : null}
    </>
  );
}
