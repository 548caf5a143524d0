import type { Cause, Version } from "~/api/types";

/**
 * The version that the cause of a finding made. With an exact or ambiguous
 * cause it is the oldest that names one of its events; otherwise the newest
 * that was read by the time the finding opened. Undefined if the history at
 * hand does not reach back so far.
 */
export function causingVersion(
  versions: Version[],
  cause: Cause,
  openedAt: string,
): Version | undefined {
  const newestFirst = [...versions].sort((a, b) => b.version - a.version);
  const ids = new Set(cause.events.map((e) => e.id));
  const named = newestFirst.filter((v) => v.cause.events.some((e) => ids.has(e.id)));
  if (named.length > 0) return named.at(-1);
  const at = Date.parse(openedAt);
  return newestFirst.find((v) => Date.parse(v.observed_at) <= at);
}

/** The version before the given one among those at hand; numbers may have gaps. */
export function versionBefore(versions: Version[], number: number): Version | undefined {
  return [...versions].sort((a, b) => b.version - a.version).find((v) => v.version < number);
}
