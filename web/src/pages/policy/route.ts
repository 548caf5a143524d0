import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { rootRoute } from "~/shell/root";

export const policy = createRoute({
  getParentRoute: () => rootRoute,
  path: "/policies/$id",
  component: lazyRouteComponent(() => import("./PolicyPage"), "PolicyPage"),
});
