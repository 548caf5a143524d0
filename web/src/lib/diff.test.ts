import { expect, test } from "vitest";
import { diffDocuments, foldDiff } from "./diff";

const changed = (before: never, after: never) =>
  diffDocuments(before, after)
    .filter((l) => l.kind !== "same")
    .map((l) => `${l.kind} ${l.text.trim()}`);

test.each([
  ["a value", { a: 1, b: 2 }, { a: 1, b: 3 }, ['remove "b": 2', 'add "b": 3']],
  ["the order of keys is no change", { a: 1, b: 2 }, { b: 2, a: 1 }, []],
  ["a last member added changes no comma before it", { a: 1 }, { a: 1, b: 2 }, ['add "b": 2']],
  ["an element put in front", [1, 2], [0, 1, 2], ["add 0"]],
])("%s", (_, before, after, want) =>
  expect(changed(before as never, after as never)).toEqual(want),
);

test("long unchanged stretches fold, one line does not", () => {
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${10 + i}`, i]));
  const parts = foldDiff(diffDocuments(many, { ...many, k20: "new" }), 2);
  expect(parts.map((p) => (p.kind === "fold" ? `fold ${p.lines.length}` : p.kind))).toEqual([
    "fold 9",
    "same",
    "same",
    "remove",
    "add",
    "same",
    "same",
    "fold 8",
  ]);
  expect(foldDiff(diffDocuments({ a: 1, b: 2 }, { a: 1, b: 3 }), 1)[0]).toEqual({
    kind: "same",
    text: "{",
  });
});
