// How values are written. Every function is pure; "now" is given in.
import type { Condition } from "~/api/types";

const group = new Intl.NumberFormat("en-US");

export function count(n: number): string {
  return group.format(n);
}

/** "1 finding", "2 findings". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A share in percent; "<1 %" and ">99 %" so that some never reads as none or all. */
export function share(part: number, whole: number): string {
  if (whole <= 0) return "none";
  const percent = (part / whole) * 100;
  if (part > 0 && percent < 1) return "<1 %";
  if (part < whole && percent > 99) return ">99 %";
  return `${Math.round(percent)} %`;
}

/** 111122223333 is easier to compare as 1111 2222 3333. */
export function accountId(id: string): string {
  return /^\d{12}$/.test(id) ? `${id.slice(0, 4)} ${id.slice(4, 8)} ${id.slice(8)}` : id;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A span in its largest fitting unit: "8 s", "4 min", "2 h", "41 d". */
export function span(ms: number): string {
  const abs = Math.max(0, ms);
  if (abs < minute) return `${Math.floor(abs / second)} s`;
  if (abs < hour) return `${Math.floor(abs / minute)} min`;
  if (abs < 2 * day) return `${Math.floor(abs / hour)} h`;
  return `${Math.floor(abs / day)} d`;
}

/** A short span with the precision that detection times deserve: "740 ms", "1.2 s", "8 s". */
export function shortSpan(ms: number): string {
  if (ms < 0) return "0 ms";
  if (ms < second) return `${Math.round(ms)} ms`;
  if (ms < 10 * second) return `${(ms / second).toFixed(1)} s`;
  return span(ms);
}

/** Go's zero time and the missing time are both no time. */
export function isTime(iso: string | undefined): iso is string {
  return iso !== undefined && iso !== "" && !iso.startsWith("0001-01-01");
}

export function ago(iso: string, now: number): string {
  const ms = now - Date.parse(iso);
  return ms < second ? "now" : `${span(ms)} ago`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** "12:04:07 UTC" */
export function clock(iso: string): string {
  const t = new Date(iso);
  return `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}:${two(t.getUTCSeconds())} UTC`;
}

/** "2026-11-23" */
export function date(iso: string): string {
  return new Date(iso).toISOString().slice(0, 10);
}

/** "2026-11-23 12:04:07 UTC" */
export function absolute(iso: string): string {
  return `${date(iso)} ${clock(iso)}`;
}

/** The clock alone today, the whole date on other days. */
export function moment(iso: string, now: number): string {
  return date(iso) === date(new Date(now).toISOString()) ? clock(iso) : absolute(iso);
}

const resolutions: Record<string, string> = {
  fixed: "fixed",
  resource_deleted: "resource deleted",
  policy_deleted: "policy deleted",
  out_of_scope: "out of scope",
  account_removed: "account removed",
};

export function resolution(reason: string | undefined): string {
  return reason ? (resolutions[reason] ?? reason.replaceAll("_", " ")) : "";
}

const conditions: Record<Condition["state"], string> = {
  role_denied: "its role cannot be assumed",
  mass_delete: "deletions are held",
  denied: "a permission is missing",
  throttled: "AWS asks for patience",
};

/** What is wrong with reading an account, in a few words. */
export function conditionWords(state: Condition["state"]): string {
  return conditions[state];
}

/** Why a finding may be out of date. */
export function staleWords(c: Condition): string {
  const action = c.action ? ` (${c.action})` : "";
  return `The resource cannot be read at present, because ${conditions[c.state]}${action}: what is shown was seen before ${absolute(c.since)}.`;
}

/** A word of the catalogue for people: "data_protection" is "Data protection". */
export function sentence(text: string): string {
  const words = text.replaceAll("_", " ");
  return words === "" ? "" : words[0]?.toUpperCase() + words.slice(1);
}

const acronyms = new Set([
  "aws",
  "cis",
  "nist",
  "pci",
  "dss",
  "hipaa",
  "soc",
  "iso",
  "cmmc",
  "gdpr",
]);

/** The name of a framework from its id: "cis-aws-3.0" is "CIS AWS 3.0". */
export function frameworkName(id: string): string {
  return id
    .split("-")
    .map((word) =>
      acronyms.has(word) ? word.toUpperCase() : word[0]?.toUpperCase() + word.slice(1),
    )
    .join(" ");
}

/** How far behind AWS something is; a lag that nobody measures is unknown and not zero. */
export function lagWords(seconds: number | undefined): string {
  if (seconds === undefined) return "unknown";
  return seconds < 1 ? "under 1 s" : shortSpan(seconds * 1000);
}
