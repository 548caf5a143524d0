import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { createRoot } from "react-dom/client";
import "./lib/initial-search"; // before the router drops what is not valid
import { applyTheme } from "./lib/preferences";
import { createApp } from "./router";
import "./styles.css";

applyTheme();
const { router, client } = createApp();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
}
