import { useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { base } from "~/api/client";
import type { Transition } from "~/api/types";
import { applyTransitions, Invalidator } from "./apply";
import { LiveStream, type Source, type StreamState } from "./stream";

type Listener = (batch: Transition[]) => void;

type Live = { state: StreamState; listen: (listener: Listener) => () => void };

const LiveContext = createContext<Live>({ state: "connecting", listen: () => () => {} });

const hiddenPauseMs = 5 * 60_000;
const pollMs = 15_000;

const openStream = (): Source => new EventSource(`${base}/stream`);

/** Keeps the one stream of this tab and what was read in step with it. */
export function LiveProvider(props: { children: ReactNode; open?: () => Source }) {
  const { children, open = openStream } = props;
  const client = useQueryClient();
  const [state, setState] = useState<StreamState>("connecting");
  const listeners = useRef(new Set<Listener>());

  useEffect(() => {
    const invalidator = new Invalidator(client);
    const stream = new LiveStream({
      open,
      onState: setState,
      onReset: () => void client.invalidateQueries(),
      onTransitions: (batch) => {
        invalidator.add(applyTransitions(client, batch));
        for (const listener of listeners.current) listener(batch);
      },
    });
    stream.start();
    // A tab that nobody sees gives its connection back after a while.
    let pause: ReturnType<typeof setTimeout> | undefined;
    const onVisibility = () => {
      clearTimeout(pause);
      if (document.hidden) pause = setTimeout(() => stream.stop(), hiddenPauseMs);
      else stream.start();
    };
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      clearTimeout(pause);
      invalidator.stop();
      stream.stop();
    };
  }, [client, open]);

  // Without a stream the pages are read again every quarter of a minute.
  useEffect(() => {
    if (state === "live") return;
    const timer = setInterval(() => void client.invalidateQueries(), pollMs);
    return () => clearInterval(timer);
  }, [state, client]);

  const live = useMemo<Live>(
    () => ({
      state,
      listen: (listener) => {
        listeners.current.add(listener);
        return () => listeners.current.delete(listener);
      },
    }),
    [state],
  );
  return <LiveContext value={live}>{children}</LiveContext>;
}

export function useStreamState(): StreamState {
  return useContext(LiveContext).state;
}

/** Calls the listener with each batch of transitions while mounted. */
export function useTransitions(listener: Listener): void {
  const { listen } = useContext(LiveContext);
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => listen((batch) => latest.current(batch)), [listen]);
}
