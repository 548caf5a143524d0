// The difference of two documents, line by line. Keys are sorted first, so that
// only what changed is shown and not the order AWS happened to answer in.
import { diffArrays } from "diff";
import type { Json } from "~/api/types";

export type DiffLine = { kind: "same" | "add" | "remove"; text: string };
export type DiffPart = DiffLine | { kind: "fold"; lines: DiffLine[] };

export function diffDocuments(before: Json, after: Json): DiffLine[] {
  const out: DiffLine[] = [];
  for (const change of diffArrays(pretty(before), pretty(after))) {
    const kind = change.added ? "add" : change.removed ? "remove" : "same";
    for (const text of change.value) out.push({ kind, text });
  }
  return out;
}

/** Folds runs of unchanged lines, keeping `context` lines beside each change. */
export function foldDiff(lines: DiffLine[], context = 3): DiffPart[] {
  const near = new Set<number>();
  lines.forEach((line, i) => {
    if (line.kind === "same") return;
    for (let n = i - context; n <= i + context; n++) near.add(n);
  });
  const out: DiffPart[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as DiffLine;
    if (near.has(i)) {
      out.push(line);
      continue;
    }
    const run: DiffLine[] = [];
    for (; i < lines.length && !near.has(i); i++) run.push(lines[i] as DiffLine);
    i--;
    if (run.length === 1) out.push(run[0] as DiffLine);
    else out.push({ kind: "fold", lines: run });
  }
  return out;
}

function pretty(value: Json): string[] {
  // A trailing comma is no change: lines are compared without it.
  return JSON.stringify(sorted(value), null, 2)
    .split("\n")
    .map((line) => line.replace(/,$/, ""));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] as Json)]),
  );
}
