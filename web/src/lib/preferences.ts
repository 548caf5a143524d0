import { useSyncExternalStore } from "react";

// What the browser remembers: appearance only, never a filter.

export type Theme = "system" | "light" | "dark";

type Preferences = { theme: Theme; singleKeys: boolean };

const defaults: Preferences = { theme: "system", singleKeys: true };
const storageKey = "qrie.preferences";
const listeners = new Set<() => void>();
let current: Preferences = load();

function load(): Preferences {
  try {
    const raw: unknown = JSON.parse(localStorage.getItem(storageKey) ?? "{}");
    const stored = (typeof raw === "object" && raw !== null ? raw : {}) as Partial<Preferences>;
    return {
      theme: stored.theme === "light" || stored.theme === "dark" ? stored.theme : defaults.theme,
      singleKeys: stored.singleKeys !== false,
    };
  } catch {
    return defaults; // storage may be forbidden or hold something else
  }
}

export function preferences(): Preferences {
  return current;
}

export function setPreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(storageKey, JSON.stringify(current));
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  applyTheme();
  for (const each of listeners) each();
}

/** Puts the theme on the document; "system" leaves it to the operating system. */
export function applyTheme(): void {
  if (current.theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = current.theme;
}

export function usePreferences(): Preferences {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, preferences);
}
