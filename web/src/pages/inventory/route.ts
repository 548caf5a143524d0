import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { inventorySearch } from "~/lib/search";
import { rootRoute } from "~/shell/root";

export const inventory = createRoute({
  getParentRoute: () => rootRoute,
  path: "/inventory",
  validateSearch: inventorySearch,
  component: lazyRouteComponent(() => import("./InventoryPage"), "InventoryPage"),
  staticData: { nav: { section: "Posture", label: "Inventory", key: "i" } },
});
