import { useState } from "react";
import type { Json } from "~/api/types";
import { type DiffLine, diffDocuments, foldDiff } from "~/lib/diff";
import { count } from "~/lib/format";
import { cx } from "./cx";

const sign = { same: " ", add: "+", remove: "−" };

/** What changed between two documents; unchanged stretches are folded. */
export function DiffView({ before, after, label }: { before: Json; after: Json; label: string }) {
  const lines = diffDocuments(before, after);
  const changed = lines.filter((l) => l.kind !== "same").length;
  if (changed === 0) return <p className="text-ink-2">The two versions are the same.</p>;
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      className="max-h-[60vh] overflow-auto rounded bg-sunken py-2 font-mono text-[12.5px] leading-[19px]"
    >
      <div className="w-max min-w-full">
        {foldDiff(lines).map((part, i) =>
          part.kind === "fold" ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one difference never move
            <Fold key={i} lines={part.lines} />
          ) : (
            // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one difference never move
            <Row key={i} line={part} />
          ),
        )}
      </div>
    </section>
  );
}

function Fold({ lines }: { lines: DiffLine[] }) {
  const [open, setOpen] = useState(false);
  // biome-ignore lint/suspicious/noArrayIndexKey: the lines never move
  if (open) return lines.map((line, i) => <Row key={i} line={line} />);
  return (
    <button
      type="button"
      className="block w-full px-3 text-left text-ink-3 hover:text-ink"
      onClick={() => setOpen(true)}
    >
      … {count(lines.length)} unchanged lines
    </button>
  );
}

function Row({ line }: { line: DiffLine }) {
  return (
    <div
      className={cx(
        "whitespace-pre px-3",
        line.kind === "add" && "bg-diff-add",
        line.kind === "remove" && "bg-diff-remove",
      )}
    >
      <span aria-hidden className="mr-2 inline-block w-2 text-ink-2">
        {sign[line.kind]}
      </span>
      <span className="sr-only">
        {line.kind === "add" ? "added " : line.kind === "remove" ? "removed " : ""}
      </span>
      {line.text}
    </div>
  );
}
