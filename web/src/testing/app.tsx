// Renders the real routes over a made-up API, for tests of components.
import { QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { act, render } from "@testing-library/react";
import { vi } from "vitest";
import type { Transition } from "~/api/types";
import { createApp } from "~/router";

export type Call = {
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
  headers: Headers;
};
export type Answer = { status?: number; body?: unknown; headers?: Record<string, string> };
export type Handler = (call: Call) => Answer | unknown;

/** Stands in for EventSource; tests send events through it. */
export class FakeSource {
  static last: FakeSource | undefined;
  readyState = 1;
  onerror: ((event: Event) => void) | null = null;
  private listeners = new Map<string, (event: MessageEvent<string>) => void>();
  constructor() {
    FakeSource.last = this;
  }
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }
  close(): void {
    this.readyState = 2;
  }
  send(type: string, data: unknown): void {
    this.listeners.get(type)?.(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
  fail(state: number): void {
    this.readyState = state;
    this.onerror?.(new Event("error"));
  }
}

/** Sends transitions as the stream would, and waits until they are applied. */
export async function emit(...transitions: Transition[]): Promise<void> {
  await act(async () => {
    for (const t of transitions) FakeSource.last?.send("transition", t);
    await new Promise((resolve) => setTimeout(resolve, 260));
  });
}

const defaults: Record<string, Handler> = {
  "GET /meta": () => ({
    version: "test",
    demo: false,
    login: false,
    role: "admin",
    severity_bands: [],
    started_at: "2026-01-01T00:00:00Z",
  }),
  "GET /accounts": () => [],
  "GET /services": () => [],
  "GET /policies": () => [],
  "GET /system": () => ({
    stream: { shards: [], troubles: [] },
    dirty: { count: 0 },
    dead_letters: 0,
    lag_seconds: 2,
  }),
  "GET /summary/findings": () => ({
    open_findings: 0,
    policies: [],
    as_of: "2026-01-01T00:00:00Z",
  }),
};

/** Opens the application at a path; unknown calls are answered with 404. */
export async function openApp(path: string, handlers: Record<string, Handler> = {}) {
  const calls: Call[] = [];
  const table = { ...defaults, ...handlers };
  vi.stubGlobal("EventSource", FakeSource);
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const target = new URL(url, "http://test");
    const call: Call = {
      method: init.method ?? "GET",
      path: target.pathname.replace("/api/v1", ""),
      query: target.searchParams,
      body: init.body ? JSON.parse(String(init.body)) : undefined,
      headers: new Headers(init.headers),
    };
    calls.push(call);
    const handler = table[`${call.method} ${call.path}`];
    if (!handler)
      return answer(404, { title: "Not found", detail: call.path, request_id: "req-404" }, {});
    const result = await handler(call);
    const full = isAnswer(result) ? result : { body: result };
    return answer(full.status ?? 200, full.body, full.headers ?? {});
  });
  const { router, client } = createApp(createMemoryHistory({ initialEntries: [path] }));
  const view = render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  return { ...view, router, client, calls };
}

function isAnswer(result: unknown): result is Answer {
  return typeof result === "object" && result !== null && "status" in result && "body" in result;
}

function answer(status: number, body: unknown, headers: Record<string, string>): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), { status, headers });
}
