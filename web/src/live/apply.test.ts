import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { finding, transition } from "~/testing/samples";
import { applyTransitions, Invalidator } from "./apply";

const client = new QueryClient();
beforeEach(() => client.clear());
afterEach(() => vi.useRealTimers());

const list = ["findings", "list", {}];
const put = (...findings: ReturnType<typeof finding>[]) =>
  client.setQueryData(list, { pages: [{ findings, meta: {} }], pageParams: [""] });
const got = () =>
  client.getQueryData<{ pages: { findings: ReturnType<typeof finding>[] }[] }>(list)?.pages[0]
    ?.findings;

test("a resolved finding keeps its place in a flat list", () => {
  put(finding({ id: "f_a" }), finding({ id: "f_b" }), finding({ id: "f_c" }));
  applyTransitions(client, [
    transition({
      finding: "f_b",
      kind: "resolved",
      resolution: "fixed",
      at: "2026-11-23T13:00:00Z",
    }),
  ]);
  expect(got()?.map((f) => [f.id, f.state, f.resolution])).toEqual([
    ["f_a", "ACTIVE", undefined],
    ["f_b", "RESOLVED", "fixed"],
    ["f_c", "ACTIVE", undefined],
  ]);
});

test("a finding that is not in the list is not put into it", () => {
  put(finding({ id: "f_a" }));
  applyTransitions(client, [transition({ finding: "f_new" })]);
  expect(got()?.map((f) => f.id)).toEqual(["f_a"]);
});

test("the feed gets the newest first and stays bounded", () => {
  client.setQueryData(["changes", 50], { newest: 0, transitions: [transition({ id: "old" })] });
  applyTransitions(client, [transition({ id: "t_1", seq: 1 }), transition({ id: "t_2", seq: 2 })]);
  const feed = client.getQueryData<{ newest: number; transitions: { id: string }[] }>([
    "changes",
    50,
  ]);
  expect(feed?.transitions.map((t) => t.id)).toEqual(["t_2", "t_1", "old"]);
  expect(feed?.newest).toBe(2);
  applyTransitions(
    client,
    Array.from({ length: 500 }, (_, i) => transition({ id: `m_${i}`, seq: i })),
  );
  const long = client.getQueryData<{ transitions: unknown[] }>(["changes", 50]);
  expect(long?.transitions).toHaveLength(200);
});

test("what was opened, its resource and the counts are read again", () => {
  const keys = applyTransitions(client, [transition({ finding: "f_a", resource_id: "r_a" })]);
  expect(keys).toContainEqual(["finding", "f_a"]);
  expect(keys).toContainEqual(["resource", "r_a"]);
  expect(keys).toContainEqual(["findings", "summary"]);
  expect(keys).not.toContainEqual(["findings", "list"]);
});

test("invalidations come at most once a second and none is lost", () => {
  vi.useFakeTimers();
  const calls: string[] = [];
  const spy = vi
    .spyOn(client, "invalidateQueries")
    .mockImplementation(async (filters) => void calls.push(JSON.stringify(filters?.queryKey)));
  const invalidator = new Invalidator(client, 1000);
  invalidator.add([["a"]]);
  for (let i = 0; i < 100; i++) invalidator.add([["a"], ["b"]]);
  expect(calls).toEqual(['["a"]']);
  vi.advanceTimersByTime(1000);
  expect(calls).toEqual(['["a"]', '["a"]', '["b"]']);
  vi.advanceTimersByTime(5000);
  expect(calls).toHaveLength(3);
  invalidator.add([["c"]]);
  expect(calls.at(-1)).toBe('["c"]');
  spy.mockRestore();
});
