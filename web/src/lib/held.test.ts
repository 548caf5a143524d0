import { expect, test } from "vitest";
import { HeldLists } from "./held";

type Row = { id: string; n: number };
const key = (row: Row) => row.id;
const rows = (...list: string[]): Row[] => list.map((id, n) => ({ id, n }));
const ids = (list: Row[]) => list.map(key).join("");

test("a held list keeps its rows and order, takes new values and counts what waits", () => {
  const held = new HeldLists();
  expect(ids(held.show("l", rows("a", "b", "c"), key).rows)).toBe("abc");
  held.hold(true);
  const shown = held.show("l", rows("x", "c", "a"), key);
  expect(ids(shown.rows)).toBe("abc");
  expect(shown.rows.map((r) => r.n)).toEqual([2, 1, 1]); // b is gone and keeps its last value
  expect(shown.waiting).toBe(1);
  held.hold(false);
  expect(held.show("l", rows("x", "c", "a"), key)).toEqual({
    rows: rows("x", "c", "a"),
    waiting: 0,
  });
});

test("release shows the newest even while held", () => {
  const held = new HeldLists();
  held.show("l", rows("a"), key);
  held.hold(true);
  held.release();
  expect(ids(held.show("l", rows("b", "a"), key).rows)).toBe("ba");
});

test("a list that was empty is filled at once, and lists do not mix", () => {
  const held = new HeldLists();
  held.show("l", [], key);
  held.hold(true);
  expect(ids(held.show("l", rows("a"), key).rows)).toBe("a");
  expect(ids(held.show("other", rows("z"), key).rows)).toBe("z");
});
