import { useEffect, useMemo, useRef, useState } from "react";
import type { Json } from "~/api/types";
import { type Line, treeLines } from "~/lib/tree";
import { cx } from "./cx";

const indent = 16;

/** A JSON document; the members at `pointers` are marked, scrolled to, and the rest is folded. */
export function JsonTree(props: {
  document: Json;
  pointers?: readonly string[];
  openDepth?: number;
  label: string;
}) {
  const { document, pointers = [], openDepth = 1, label } = props;
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
  const box = useRef<HTMLElement>(null);
  const lines = useMemo(
    () => treeLines(document, { pointers, toggled, openDepth }),
    [document, pointers, toggled, openDepth],
  );
  const target = pointers[0];
  useEffect(() => {
    if (target === undefined || !box.current) return;
    const marked = box.current.querySelector<HTMLElement>("[data-marked]");
    if (marked) box.current.scrollTop = marked.offsetTop - box.current.clientHeight / 3;
  }, [target]);

  const toggle = (pointer: string, open: boolean) =>
    setToggled((old) => new Map(old).set(pointer, open));

  return (
    <section
      ref={box}
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      className="relative max-h-[60vh] overflow-auto rounded bg-sunken py-2 font-mono text-[12.5px] leading-[19px]"
    >
      <div className="w-max min-w-full">
        {lines.map((line) => (
          <TreeLine key={`${line.kind} ${line.pointer}`} line={line} toggle={toggle} />
        ))}
      </div>
    </section>
  );
}

function TreeLine({ line, toggle }: { line: Line; toggle: (p: string, open: boolean) => void }) {
  const comma = line.comma ? "," : "";
  const [left, right] = line.array ? ["[", "]"] : ["{", "}"];
  const name =
    line.name === undefined ? null : (
      <span className="text-ink">{`${JSON.stringify(line.name)}: `}</span>
    );
  return (
    <div
      data-marked={line.marked ? "" : undefined}
      className={cx(
        "whitespace-pre border-l-[3px] pr-3",
        line.marked ? "border-critical-mark bg-diff-remove" : "border-transparent",
      )}
      style={{ paddingLeft: 9 + line.depth * indent }}
    >
      {line.kind === "fold" ? (
        <button
          type="button"
          className="text-ink-3 hover:text-ink"
          onClick={() => toggle(line.pointer, true)}
        >
          {line.array ? "{…}" : "…"} {line.size} {line.array ? "element" : "member"}
          {line.size === 1 ? "" : "s"}, not matched
        </button>
      ) : line.kind === "open" ? (
        <button
          type="button"
          aria-expanded="true"
          className="hover:text-accent"
          onClick={() => toggle(line.pointer, false)}
        >
          {name}
          {left}
        </button>
      ) : line.kind === "closed" ? (
        <button
          type="button"
          aria-expanded="false"
          className="hover:text-accent"
          onClick={() => toggle(line.pointer, true)}
        >
          {name}
          <span className="text-ink-3">{`${left} ${line.size} ${right}`}</span>
          {comma}
        </button>
      ) : line.kind === "absent" ? (
        <>
          {name}
          <span className="text-ink-2">not set</span>
        </>
      ) : (
        <>
          {name}
          {line.kind === "close" ? right : line.kind === "empty" ? left + right : null}
          {line.kind === "scalar" ? (
            <span className="text-ink">{JSON.stringify(line.value)}</span>
          ) : null}
          {comma}
        </>
      )}
    </div>
  );
}
