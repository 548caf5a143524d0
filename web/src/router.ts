import { createRouter } from "@tanstack/react-router";
import { parseSearch, stringifySearch } from "./lib/router-search";
import { pages } from "./pages";
import { rootRoute } from "./shell/root";

export const router = createRouter({
  routeTree: rootRoute.addChildren(pages),
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
