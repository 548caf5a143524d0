import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { rootRoute } from "~/shell/root";

export const accounts = createRoute({
  getParentRoute: () => rootRoute,
  path: "/accounts",
  component: lazyRouteComponent(() => import("./AccountsPage"), "AccountsPage"),
  staticData: { nav: { section: "Operate", label: "Accounts", key: "a" } },
});
