import { ApiError } from "~/api/client";

/** Why a change was refused, field by field where the server says so. */
export function MutationError({ error }: { error: unknown }) {
  if (!error) return null;
  const api = error instanceof ApiError ? error : undefined;
  const fields = api?.problem.errors ?? [];
  return (
    <div role="alert" className="border-border border-t px-4 py-2 text-critical">
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {fields.length > 0 ? (
        <ul className="list-disc pl-5">
          {fields.map((f) => (
            <li key={`${f.location} ${f.message}`}>
              {f.location ? `${f.location}: ` : ""}
              {f.message}
            </li>
          ))}
        </ul>
      ) : null}
      {api?.requestId ? <p className="text-ink-2 text-small">Request id {api.requestId}</p> : null}
    </div>
  );
}
