import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { policiesSearch } from "~/lib/search";
import { rootRoute } from "~/shell/root";

export const policies = createRoute({
  getParentRoute: () => rootRoute,
  path: "/policies",
  validateSearch: policiesSearch,
  component: lazyRouteComponent(() => import("./PoliciesPage"), "PoliciesPage"),
  staticData: { nav: { section: "Posture", label: "Policies", key: "p" } },
});
