import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { findingSearch } from "~/lib/search";
import { rootRoute } from "~/shell/root";

export const finding = createRoute({
  getParentRoute: () => rootRoute,
  path: "/findings/$id",
  validateSearch: findingSearch,
  component: lazyRouteComponent(() => import("./FindingPage"), "FindingPage"),
});
