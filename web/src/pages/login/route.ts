import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { loginSearch } from "~/lib/search";
import { rootRoute } from "~/shell/root";

export const login = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: loginSearch,
  component: lazyRouteComponent(() => import("./LoginPage"), "LoginPage"),
});
