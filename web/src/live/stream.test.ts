import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Transition } from "~/api/types";
import { FakeSource } from "~/testing/app";
import { transition } from "~/testing/samples";
import { LiveStream, type StreamState } from "./stream";

let sources: FakeSource[];
let states: StreamState[];
let batches: Transition[][];
let resets: number;

function make() {
  return new LiveStream({
    open: () => {
      const source = new FakeSource();
      sources.push(source);
      return source;
    },
    onState: (state) => states.push(state),
    onTransitions: (batch) => batches.push(batch),
    onReset: () => resets++,
    gatherMs: 100,
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  states = [];
  batches = [];
  resets = 0;
});
afterEach(() => vi.useRealTimers());

const last = () => sources.at(-1) as FakeSource;

test("is live after the hello", () => {
  make().start();
  expect(states).toEqual(["connecting"]);
  last().send("hello", { newest: 7, version: "1" });
  expect(states).toEqual(["connecting", "live"]);
  expect(resets).toBe(0);
});

test("gathers transitions and gives each once", () => {
  make().start();
  last().send("transition", transition({ id: "t_1", seq: 1 }));
  last().send("transition", transition({ id: "t_2", seq: 2 }));
  last().send("transition", transition({ id: "t_1", seq: 1 }));
  expect(batches).toEqual([]);
  vi.advanceTimersByTime(100);
  expect(batches.map((b) => b.map((t) => t.id))).toEqual([["t_1", "t_2"]]);
});

test("leaves a broken connection to the browser, but opens a refused one again, ever later", () => {
  const stream = make();
  stream.start();
  last().fail(0); // the browser reconnects by itself
  vi.advanceTimersByTime(60_000);
  expect(sources).toHaveLength(1);
  expect(states.at(-1)).toBe("down");
  for (const wait of [1000, 2000, 4000]) {
    const before = sources.length;
    last().fail(2);
    vi.advanceTimersByTime(wait - 1);
    expect(sources).toHaveLength(before);
    vi.advanceTimersByTime(1);
    expect(sources).toHaveLength(before + 1);
  }
  stream.stop();
});

test("reads everything again when a new connection finds that something was missed", () => {
  make().start();
  last().send("hello", { newest: 7, version: "1" });
  last().fail(2);
  vi.advanceTimersByTime(1000);
  last().send("hello", { newest: 9, version: "1" });
  expect(resets).toBe(1);
});

test("does not read again when nothing was missed, nor after a reconnection by the browser", () => {
  make().start();
  last().send("hello", { newest: 7, version: "1" });
  last().send("transition", transition({ seq: 8 }));
  last().fail(2);
  vi.advanceTimersByTime(1000);
  last().send("hello", { newest: 8, version: "1" });
  last().fail(0);
  last().send("hello", { newest: 12, version: "1" }); // the gap follows, by Last-Event-ID
  expect(resets).toBe(0);
});

test("a reset of the server reads everything again", () => {
  make().start();
  last().send("reset", {});
  expect(resets).toBe(1);
});

test("stopping closes the connection and delivers what was gathered", () => {
  const stream = make();
  stream.start();
  last().send("transition", transition());
  stream.stop();
  expect(last().readyState).toBe(2);
  expect(batches).toHaveLength(1);
});
