// The evidence tree: a JSON document as lines, with the members that a finding
// points at marked and everything unrelated folded away.
import type { Json } from "~/api/types";
import { formatPointer, isContainer, members, parsePointer } from "./pointer";

export type Line = {
  /** Pointer of the member the line shows, or of the container a fold is in. Unique with kind. */
  pointer: string;
  kind: "scalar" | "open" | "close" | "empty" | "closed" | "fold" | "absent";
  depth: number;
  /** The member's name; undefined inside an array and at the root. */
  name?: string;
  value?: Json;
  /** Array or object, for open, close, empty and closed. */
  array?: boolean;
  /** Members inside a closed container, or behind a fold. */
  size?: number;
  marked: boolean;
  comma: boolean;
};

export type TreeOptions = {
  pointers: readonly string[];
  /** Pointers of containers and folds that the reader opened (true) or closed (false). */
  toggled: ReadonlyMap<string, boolean>;
  /** Containers to this depth are open where nothing is marked. */
  openDepth?: number;
};

/** The key under which a fold is toggled: the members of `pointer` from `first` on. */
export function foldKey(pointer: string, first: string): string {
  return `${pointer}#${first}`;
}

export function treeLines(document: Json, options: TreeOptions): Line[] {
  const marks = markTree(options.pointers);
  const lines: Line[] = [];
  const openDepth = options.openDepth ?? 1;

  const walk = (
    value: Json,
    keys: string[],
    name: string | undefined,
    mark: Mark | undefined,
    inside: boolean, // inside a marked container
    comma: boolean,
  ) => {
    const pointer = formatPointer(keys);
    const depth = keys.length;
    const marked = inside || mark?.here === true;
    const base = { pointer, depth, name, marked, comma } as const;
    if (!isContainer(value)) {
      lines.push({ ...base, kind: "scalar", value });
      return;
    }
    const array = Array.isArray(value);
    const list = members(value);
    const absent = absentKeys(value, mark);
    if (list.length === 0 && absent.length === 0) {
      lines.push({ ...base, kind: "empty", array });
      return;
    }
    const onPath = mark !== undefined && mark.below.size > 0;
    const open =
      options.toggled.get(pointer) ??
      (depth === 0 ||
        marked ||
        onPath ||
        (marks === undefined && depth < openDepth) ||
        mark !== undefined);
    if (!open) {
      lines.push({ ...base, kind: "closed", array, size: list.length });
      return;
    }
    lines.push({ ...base, kind: "open", array, comma: false });
    // Beside a marked member its neighbours are read too; further up only the
    // way to it is shown.
    const nextToMark = mark !== undefined && [...mark.below.values()].some((m) => m.here);
    const foldsOthers = onPath && !marked && (array || !nextToMark || list.length > crowd);
    // In a crowd only the nearest neighbours are read.
    const near = nextToMark && !array ? nearMarks(list, mark) : new Set<number>();
    let run: [string, Json][] = [];
    let shown = 0;
    const last = list.length + absent.length;
    const flush = () => {
      const first = run[0];
      if (!first) return;
      const key = foldKey(pointer, first[0]);
      if (options.toggled.get(key)) {
        for (const [k, v] of run) {
          shown++;
          walk(v, [...keys, k], array ? undefined : k, undefined, false, shown < last);
        }
      } else {
        shown += run.length;
        lines.push({
          pointer: key,
          kind: "fold",
          depth: depth + 1,
          array,
          size: run.length,
          marked: false,
          comma: shown < last,
        });
      }
      run = [];
    };
    for (const [i, [k, v]] of list.entries()) {
      const below = mark?.below.get(k);
      if (foldsOthers && !below && !near.has(i)) {
        run.push([k, v]);
        continue;
      }
      flush();
      shown++;
      walk(v, [...keys, k], array ? undefined : k, below, marked, shown < last);
    }
    flush();
    for (const k of absent) {
      shown++;
      lines.push({
        pointer: formatPointer([...keys, k]),
        kind: "absent",
        depth: depth + 1,
        name: k,
        marked: true,
        comma: shown < last,
      });
    }
    lines.push({ ...base, kind: "close", array, marked, name: undefined });
  };
  walk(document, [], undefined, marks, false, false);
  return lines;
}

/** An object with more members than this is not shown whole beside a marked member. */
const crowd = 12;
const neighbours = 2;

function nearMarks(list: [string, Json][], mark: Mark): Set<number> {
  const near = new Set<number>();
  list.forEach(([key], i) => {
    if (!mark.below.has(key)) return;
    for (let n = i - neighbours; n <= i + neighbours; n++) near.add(n);
  });
  return near;
}

type Mark = { here: boolean; below: Map<string, Mark> };

function markTree(pointers: readonly string[]): Mark | undefined {
  const root: Mark = { here: false, below: new Map() };
  let any = false;
  for (const pointer of pointers) {
    const keys = parsePointer(pointer);
    if (!keys || keys.length === 0) continue;
    any = true;
    let at = root;
    for (const key of keys) {
      let next = at.below.get(key);
      if (!next) {
        next = { here: false, below: new Map() };
        at.below.set(key, next);
      }
      at = next;
    }
    at.here = true;
  }
  return any ? root : undefined;
}

/** Marked members that the document does not have: their absence is the evidence. */
function absentKeys(value: Json, mark: Mark | undefined): string[] {
  if (!mark || Array.isArray(value)) return [];
  return [...mark.below.keys()].filter(
    (key) => !Object.hasOwn(value as { [key: string]: Json }, key),
  );
}
