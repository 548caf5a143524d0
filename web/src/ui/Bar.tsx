import { count, share } from "~/lib/format";

/** "14 / 1,284" over a thin bar of the same share. */
export function Ratio({ part, whole }: { part: number; whole: number }) {
  return (
    <span className="relative block h-full leading-[25px]" title={`${share(part, whole)} failing`}>
      {count(part)}
      <span className="text-ink-2"> / {count(whole)}</span>
      <ShareBar part={part} whole={whole} className="absolute inset-x-0 bottom-[3px]" />
    </span>
  );
}

export function ShareBar(props: { part: number; whole: number; className?: string }) {
  const { part, whole, className = "" } = props;
  // A small share is drawn two pixels wide at the least: some is not none.
  const width = whole > 0 && part > 0 ? `max(2px, ${Math.min(100, (part / whole) * 100)}%)` : "0";
  return (
    <span className={`block h-1 overflow-hidden rounded-full bg-border ${className}`} aria-hidden>
      <span className="block h-full rounded-full bg-ink-2" style={{ width }} />
    </span>
  );
}
