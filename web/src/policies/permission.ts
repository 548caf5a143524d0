import { useQuery } from "@tanstack/react-query";
import * as queries from "~/api/queries";

/** Why the reader may not change policies; undefined if they may. */
export function usePolicyRefusal(): string | undefined {
  const meta = useQuery(queries.meta()).data;
  if (!meta) return "It is not known yet what you may do";
  return meta.role === "viewer" ? "Needs the role policy-author; you are a viewer" : undefined;
}
