import type { ReactNode } from "react";

/** A bordered part of a page with its own heading. */
export function Panel(props: {
  title: string;
  note?: ReactNode;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section className={`min-w-0 rounded border border-border bg-surface ${props.className ?? ""}`}>
      <header className="flex items-baseline justify-between gap-3 px-4 pt-3 pb-2">
        <h2 className="font-[650]">{props.title}</h2>
        {props.note ? <div className="text-ink-3 text-small">{props.note}</div> : null}
      </header>
      {props.children}
    </section>
  );
}
