import { Toast as Radix } from "radix-ui";
import { type ReactNode, useSyncExternalStore } from "react";

export type ToastContent = { id: string; body: ReactNode; lasting?: boolean };

const listeners = new Set<() => void>();
let toasts: ToastContent[] = [];

function publish(next: ToastContent[]): void {
  toasts = next;
  for (const each of listeners) each();
}

/** Shows a toast; one with the same id is replaced, so that news of one matter stay in one place. */
export function toast(content: ToastContent): void {
  const others = toasts.filter((t) => t.id !== content.id);
  publish([...others, content].slice(-4));
}

export function dismissToast(id: string): void {
  publish(toasts.filter((t) => t.id !== id));
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <Radix.Provider swipeDirection="right" label="Notice">
      {shown.map((t) => (
        <Radix.Root
          key={t.id}
          duration={t.lasting ? Number.POSITIVE_INFINITY : 8000}
          onOpenChange={(open) => (open ? undefined : dismissToast(t.id))}
          className="flex items-start gap-3 rounded-overlay border border-border bg-surface px-3 py-2 shadow-overlay"
        >
          <Radix.Description asChild>
            <div className="min-w-0 flex-1">{t.body}</div>
          </Radix.Description>
          <Radix.Close aria-label="Dismiss" className="text-ink-3 hover:text-ink">
            ✕
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className="fixed right-4 bottom-4 z-50 flex w-[380px] max-w-[calc(100vw-32px)] flex-col gap-2 outline-none" />
    </Radix.Provider>
  );
}
