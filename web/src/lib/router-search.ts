import { queryString } from "~/api/client";

// The address is read by people, so a search parameter is its plain text and
// not a piece of JSON.

export function parseSearch(search: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(search));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const plain: Record<string, string> = {};
  for (const [key, value] of Object.entries(search)) {
    if (value === undefined || value === null || value === "") continue;
    plain[key] = Array.isArray(value) ? value.join(",") : String(value);
  }
  return queryString(plain);
}
