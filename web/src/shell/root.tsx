import { useQuery } from "@tanstack/react-query";
import { createRootRoute, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { ApiError } from "~/api/client";
import * as queries from "~/api/queries";
import { LiveProvider } from "~/live/LiveProvider";
import { Failure } from "~/ui/States";
import { NotFound } from "./NotFound";
import { Shell } from "./Shell";

export type Nav = { section: "Posture" | "Operate"; label: string; key: string };

declare module "@tanstack/react-router" {
  interface StaticDataRouteOption {
    /** Puts the page into the sidebar; `key` follows "g". */
    nav?: Nav;
  }
}

export const rootRoute = createRootRoute({
  component: Root,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => <Failure error={error} retry={reset} />,
});

function Root() {
  const path = useLocation({ select: (l) => l.pathname });
  return path === "/login" ? <Outlet /> : <Inside />;
}

/** Everything behind the login. */
function Inside() {
  const meta = useQuery(queries.meta());
  const navigate = useNavigate();
  const href = useLocation({ select: (l) => l.href });
  const locked =
    meta.data?.login === true || (meta.error instanceof ApiError && meta.error.status === 401);
  useEffect(() => {
    if (locked) void navigate({ to: "/login", search: { from: href }, replace: true });
  }, [locked, href, navigate]);
  if (locked) return null;
  if (meta.error && !meta.data) {
    return <Failure error={meta.error} retry={() => void meta.refetch()} />;
  }
  return (
    <LiveProvider>
      <Shell>
        <Outlet />
      </Shell>
    </LiveProvider>
  );
}
