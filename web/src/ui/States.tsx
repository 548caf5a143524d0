import type { ReactNode } from "react";
import { ApiError } from "~/api/client";
import { Button } from "./Button";

/** Placeholder rows; they appear after 150 ms only. */
export function Skeleton({ rows = 6, label = "Loading" }: { rows?: number; label?: string }) {
  return (
    <div role="status" aria-label={label} className="space-y-3 p-4">
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike
        <div key={i} className="skeleton h-4" style={{ width: `${90 - ((i * 17) % 45)}%` }} />
      ))}
    </div>
  );
}

/** Nothing to show, and why. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="mx-auto max-w-[52ch] px-4 py-12 text-center">
      <p className="text-title font-[650]">{title}</p>
      {children ? <div className="mt-1 text-ink-2">{children}</div> : null}
    </div>
  );
}

/** What failed, with the request id to quote and a way to try again. */
export function Failure(props: {
  error: unknown;
  retry?: (() => void) | undefined;
  stale?: boolean;
}) {
  const { error, retry, stale } = props;
  const api = error instanceof ApiError ? error : undefined;
  return (
    <div
      role="alert"
      className="m-4 flex flex-wrap items-start gap-x-4 gap-y-2 rounded border border-border border-l-[3px] border-l-critical-mark bg-surface px-3 py-2"
    >
      <div className="min-w-0 flex-1">
        <p>
          <strong>{stale ? "Could not refresh" : "Could not load"}</strong>{" "}
          {api ? api.what : "this page"}: {error instanceof Error ? error.message : String(error)}
        </p>
        <p className="text-small text-ink-2">
          {stale ? "What is shown is the last good answer. " : ""}
          {api && api.status > 0 ? `Status ${api.status}. ` : ""}
          {api?.requestId ? `Request id ${api.requestId}` : ""}
        </p>
      </div>
      {retry ? <Button onClick={retry}>Try again</Button> : null}
    </div>
  );
}

/** A two-pixel bar while old rows are shown and new ones are fetched. */
export function Refreshing({ active }: { active: boolean }) {
  return (
    <div
      aria-hidden
      className={`pointer-events-none absolute inset-x-0 top-0 z-20 h-0.5 bg-accent transition-opacity delay-150 duration-100 ${active ? "opacity-70" : "opacity-0"}`}
    />
  );
}

export function Warning({ children }: { children: ReactNode }) {
  return (
    <div className="border-border border-b bg-surface">
      <p className="border-l-[3px] border-l-medium-mark px-4 py-1.5">{children}</p>
    </div>
  );
}
