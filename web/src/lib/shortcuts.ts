import { useEffect, useRef } from "react";
import { preferences } from "./preferences";

// Keys: "j", "?", "g o" (two keys within a second), "mod+k" (Ctrl or Command).
// The component mounted last is asked first; a handler that returns false
// leaves the key to the others and to the browser.

type Handler = (event: KeyboardEvent) => undefined | boolean;
export type Bindings = Record<string, Handler>;

const stack: { current: Bindings }[] = [];
let prefix = "";
let prefixAt = 0;

export function keyOf(event: KeyboardEvent): string {
  const mod = event.metaKey || event.ctrlKey ? "mod+" : "";
  return mod + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
}

function inField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], [role=dialog], [role=menu]") !==
      null
  );
}

function dispatch(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey) return;
  const key = keyOf(event);
  const plain = !key.startsWith("mod+");
  const named = key === "Escape" || key === "Enter" || key.startsWith("Arrow");
  if (plain && inField(event.target)) return;
  if (plain && !named && !preferences().singleKeys) return;
  const sequence = prefix !== "" && event.timeStamp - prefixAt < 1000 ? `${prefix} ${key}` : key;
  prefix = "";
  for (const bindings of [...stack].reverse()) {
    const handler = bindings.current[sequence];
    if (handler && handler(event) !== false) {
      event.preventDefault();
      return;
    }
  }
  const starts = stack.some((b) => Object.keys(b.current).some((k) => k.startsWith(`${key} `)));
  if (plain && starts) {
    prefix = key;
    prefixAt = event.timeStamp;
  }
}

/** Binds keys while the component is mounted. */
export function useShortcuts(bindings: Bindings): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  useEffect(() => {
    if (stack.length === 0) window.addEventListener("keydown", dispatch);
    stack.push(latest);
    return () => {
      stack.splice(stack.indexOf(latest), 1);
      if (stack.length === 0) window.removeEventListener("keydown", dispatch);
    };
  }, []);
}
