import { useClock } from "~/lib/clock";
import { absolute, ago, isTime, span } from "~/lib/format";

/** A time as an age, with the moment in UTC on hover. */
export function Ago({ at, bare = false }: { at: string | undefined; bare?: boolean }) {
  const text = useClock((now) => {
    if (!isTime(at)) return "";
    return bare ? span(now - Date.parse(at)) : ago(at, now);
  });
  if (!isTime(at)) return <span className="text-ink-3">never</span>;
  return (
    <time dateTime={at} title={absolute(at)} className="whitespace-nowrap">
      {text}
    </time>
  );
}

/** A moment in UTC. */
export function Moment({ at }: { at: string }) {
  return (
    <time dateTime={at} className="whitespace-nowrap">
      {absolute(at)}
    </time>
  );
}
