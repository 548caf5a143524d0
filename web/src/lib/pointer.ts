import type { Json } from "~/api/types";

/** Splits a JSON Pointer (RFC 6901) into its keys; undefined if it is none. */
export function parsePointer(pointer: string): string[] | undefined {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) return undefined;
  return pointer
    .slice(1)
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function formatPointer(keys: readonly string[]): string {
  return keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** A pointer as people write paths: Policy.Statement[1].Principal */
export function pathWords(pointer: string): string {
  const keys = parsePointer(pointer);
  if (!keys) return pointer;
  if (keys.length === 0) return "the whole document";
  return keys
    .map((key, i) => (/^\d+$/.test(key) ? `[${key}]` : i === 0 ? key : `.${key}`))
    .join("");
}

/** The members of an object or array as key and value; empty for a scalar. */
export function members(value: Json): [string, Json][] {
  if (Array.isArray(value)) return value.map((item, i) => [String(i), item]);
  if (value !== null && typeof value === "object") return Object.entries(value);
  return [];
}

export function isContainer(value: Json): value is Json[] | { [key: string]: Json } {
  return value !== null && typeof value === "object";
}
