import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { findingsSearch } from "~/lib/search";
import { rootRoute } from "~/shell/root";

export const findings = createRoute({
  getParentRoute: () => rootRoute,
  path: "/findings",
  validateSearch: findingsSearch,
  component: lazyRouteComponent(() => import("./FindingsPage"), "FindingsPage"),
  staticData: { nav: { section: "Posture", label: "Findings", key: "f" } },
});
