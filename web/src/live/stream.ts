// The client of GET /api/v1/stream. One EventSource a tab; over HTTP/1.1 a
// browser opens six connections to an origin, so a seventh tab waits.
import type { Transition } from "~/api/types";

export type StreamState = "connecting" | "live" | "down";

/** The part of EventSource that is used, so that tests can stand in for it. */
export type Source = {
  readonly readyState: number;
  onerror: ((event: Event) => void) | null;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
};

export type StreamOptions = {
  open: () => Source;
  onState: (state: StreamState) => void;
  /** Transitions in the order they came, each id once, gathered for `gatherMs`. */
  onTransitions: (batch: Transition[]) => void;
  /** What was missed cannot be told: read everything again. */
  onReset: () => void;
  gatherMs?: number;
};

const closed = 2; // EventSource.CLOSED
const remembered = 1000;

export class LiveStream {
  private source: Source | undefined;
  private batch: Transition[] = [];
  private flushTimer: ReturnType<typeof setTimeout> | undefined;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private retries = 0;
  private lastSeq = 0;
  private seen = new Set<string>();

  constructor(private readonly options: StreamOptions) {}

  start(): void {
    if (this.source) return;
    this.options.onState("connecting");
    const source = this.options.open();
    this.source = source;
    source.addEventListener("hello", (event) => {
      this.retries = 0;
      const { newest } = JSON.parse(event.data) as { newest: number };
      // The browser resumes by Last-Event-ID when it reconnects by itself. A
      // new EventSource cannot, so the gap is closed by reading again.
      const missed = this.lastSeq > 0 && newest > this.lastSeq && this.fresh;
      this.fresh = false;
      this.lastSeq = Math.max(this.lastSeq, newest);
      this.options.onState("live");
      if (missed) this.options.onReset();
    });
    source.addEventListener("transition", (event) => {
      const transition = JSON.parse(event.data) as Transition;
      this.lastSeq = Math.max(this.lastSeq, transition.seq);
      if (this.remember(transition.id)) this.gather(transition);
    });
    source.addEventListener("reset", () => this.options.onReset());
    source.onerror = () => {
      if (this.source !== source) return;
      this.options.onState("down");
      if (source.readyState === closed) this.reopenLater();
    };
    this.fresh = true;
  }

  stop(): void {
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.source = undefined;
    this.flush();
  }

  private fresh = true;

  private reopenLater(): void {
    this.source?.close();
    this.source = undefined;
    const wait = Math.min(30_000, 1000 * 2 ** this.retries++);
    this.retryTimer = setTimeout(() => this.start(), wait);
  }

  /** False if the transition was delivered before. */
  private remember(id: string): boolean {
    if (this.seen.has(id)) return false;
    this.seen.add(id);
    if (this.seen.size > remembered) {
      const oldest = this.seen.values().next().value;
      if (oldest !== undefined) this.seen.delete(oldest);
    }
    return true;
  }

  private gather(transition: Transition): void {
    this.batch.push(transition);
    this.flushTimer ??= setTimeout(() => this.flush(), this.options.gatherMs ?? 200);
  }

  private flush(): void {
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    const batch = this.batch;
    this.batch = [];
    if (batch.length > 0) this.options.onTransitions(batch);
  }
}
