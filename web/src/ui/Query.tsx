import type { ReactNode } from "react";
import { Failure, Skeleton } from "./States";

type Result<T> = {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
};

/** The three states of a read: a skeleton, a failure, or the data, which stays when a later read fails. */
export function Loaded<T>(props: {
  of: Result<T>;
  rows?: number;
  children: (data: T) => ReactNode;
}) {
  const { of, rows = 6, children } = props;
  const retry = () => void of.refetch();
  if (of.data !== undefined) {
    return (
      <>
        {of.error ? <Failure error={of.error} retry={retry} stale /> : null}
        {children(of.data)}
      </>
    );
  }
  if (of.error) return <Failure error={of.error} retry={retry} />;
  return <Skeleton rows={rows} />;
}
