import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { resourceSearch } from "~/lib/search";
import { rootRoute } from "~/shell/root";

export const resource = createRoute({
  getParentRoute: () => rootRoute,
  path: "/inventory/$id",
  validateSearch: resourceSearch,
  component: lazyRouteComponent(() => import("./ResourcePage"), "ResourcePage"),
});
