import { createRouter, type RouterHistory } from "@tanstack/react-router";
import { parseSearch, stringifySearch } from "./lib/router-search";
import { pages } from "./pages";
import { createClient } from "./query-client";
import { rootRoute } from "./shell/root";

/** The routes and the cache of one application. Tests give a history of their own. */
export function createApp(history?: RouterHistory) {
  const router = createRouter({
    routeTree: rootRoute.addChildren(pages),
    parseSearch,
    stringifySearch,
    defaultPreload: "intent",
    scrollRestoration: true,
    ...(history ? { history } : {}),
  });
  const client = createClient(() => {
    const { pathname, href } = router.state.location;
    if (pathname === "/login") return;
    void router.navigate({ to: "/login", search: { from: href }, replace: true });
  });
  return { router, client };
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createApp>["router"];
  }
}
