import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { rootRoute } from "~/shell/root";

export const system = createRoute({
  getParentRoute: () => rootRoute,
  path: "/system",
  component: lazyRouteComponent(() => import("./SystemPage"), "SystemPage"),
  staticData: { nav: { section: "Operate", label: "System", key: "s" } },
});
