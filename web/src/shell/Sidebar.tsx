import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useRouter } from "@tanstack/react-router";
import * as queries from "~/api/queries";
import { count } from "~/lib/format";
import type { Theme } from "~/lib/preferences";
import { type Bindings, useShortcuts } from "~/lib/shortcuts";
import type { Nav } from "./root";

type Entry = Nav & { to: string };

/** The pages that name themselves in the page list, in its order. */
export function useEntries(): Entry[] {
  const router = useRouter();
  return Object.values(router.routesById).flatMap((route) => {
    const nav = (route.options as { staticData?: { nav?: Nav } }).staticData?.nav;
    return nav ? [{ ...nav, to: route.fullPath as string }] : [];
  });
}

export function useNavKeys(): void {
  const navigate = useNavigate();
  const entries = useEntries();
  const bindings: Bindings = {};
  for (const entry of entries) {
    bindings[`g ${entry.key}`] = () => {
      void navigate({ to: entry.to });
      return true;
    };
  }
  useShortcuts(bindings);
}

export function Sidebar(props: {
  theme: Theme;
  onTheme: () => void;
  onHelp: () => void;
  onPalette: () => void;
}) {
  const entries = useEntries();
  const meta = useQuery(queries.meta());
  const summary = useQuery(queries.findingsSummary({ state: "ACTIVE" }));
  const accounts = useQuery(queries.accounts());
  const counts: Record<string, number | undefined> = {
    Findings: summary.data?.open_findings,
    Accounts: accounts.data?.length,
  };
  const sections = [...new Set(entries.map((e) => e.section))];
  return (
    <nav
      aria-label="Pages"
      className="flex shrink-0 items-center gap-1 overflow-x-auto border-border border-b px-2 py-1 sm:w-[184px] sm:flex-col sm:items-stretch sm:gap-0 sm:overflow-y-auto sm:border-r sm:border-b-0 sm:pt-2"
    >
      <Link
        to="/"
        className="px-2 font-[750] text-[20px] leading-7 tracking-[-0.01em]"
        aria-label="qrie, to the overview"
      >
        qrie
      </Link>
      {sections.map((section) => (
        <div key={section} className="contents sm:mt-4 sm:block first-of-type:sm:mt-3">
          <p className="hidden px-2 pb-1 text-ink-3 text-small sm:block">{section}</p>
          {entries
            .filter((e) => e.section === section)
            .map((e) => (
              <Link
                key={e.to}
                to={e.to}
                activeOptions={{ exact: e.to === "/", includeSearch: false }}
                className="flex h-7 items-center justify-between gap-2 whitespace-nowrap rounded px-2 text-ink-2 hover:text-ink data-[status=active]:bg-sunken data-[status=active]:font-[650] data-[status=active]:text-ink"
              >
                {e.label}
                {counts[e.label] === undefined ? null : (
                  <span>{count(counts[e.label] as number)}</span>
                )}
              </Link>
            ))}
        </div>
      ))}
      <div className="ml-auto flex items-center gap-x-3 whitespace-nowrap px-2 text-ink-3 text-small sm:mt-auto sm:ml-0 sm:block sm:pb-2 [&_button:hover]:text-ink">
        <button type="button" className="block" onClick={props.onPalette}>
          Go to… <kbd className="font-sans">⌘K</kbd>
        </button>
        <button type="button" className="block" onClick={props.onHelp}>
          Keys <kbd className="font-sans">?</kbd>
        </button>
        <button type="button" className="block" onClick={props.onTheme}>
          Theme: {props.theme}
        </button>
        {meta.data ? <span className="hidden sm:block">{meta.data.version}</span> : null}
      </div>
    </nav>
  );
}
