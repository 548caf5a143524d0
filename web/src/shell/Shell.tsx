import { lazy, type ReactNode, Suspense, useState } from "react";
import { setPreferences, usePreferences } from "~/lib/preferences";
import { useShortcuts } from "~/lib/shortcuts";
import { Toasts } from "~/ui/Toasts";
import { Sidebar, useNavKeys } from "./Sidebar";

const Palette = lazy(() => import("./Palette").then((m) => ({ default: m.Palette })));
const Help = lazy(() => import("./Help").then((m) => ({ default: m.Help })));

/** The frame of every page: sidebar, page, and what may open over them. */
export function Shell({ children }: { children: ReactNode }) {
  const [over, setOver] = useState<"palette" | "help" | undefined>();
  const { theme } = usePreferences();
  useNavKeys();
  useShortcuts({
    "mod+k": () => {
      setOver("palette");
      return true;
    },
    "?": () => {
      setOver("help");
      return true;
    },
  });
  const nextTheme = theme === "system" ? "light" : theme === "light" ? "dark" : "system";
  return (
    <div className="flex h-full flex-col sm:flex-row">
      <a
        href="#page"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-surface focus:p-2"
      >
        Skip to the page
      </a>
      <Sidebar
        theme={theme}
        onTheme={() => setPreferences({ theme: nextTheme })}
        onHelp={() => setOver("help")}
        onPalette={() => setOver("palette")}
      />
      <main id="page" className="relative flex min-h-0 min-w-0 flex-1 flex-col" tabIndex={-1}>
        {children}
      </main>
      <Suspense fallback={null}>
        {over === "palette" ? <Palette onClose={() => setOver(undefined)} /> : null}
        {over === "help" ? <Help onClose={() => setOver(undefined)} /> : null}
      </Suspense>
      <Toasts />
    </div>
  );
}
