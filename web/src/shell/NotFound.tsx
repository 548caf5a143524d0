import { Link } from "@tanstack/react-router";
import { Empty } from "~/ui/States";
import { PageHeader } from "./PageHeader";

export function NotFound() {
  return (
    <>
      <PageHeader title="Not found" />
      <Empty title="There is no page at this address">
        <Link className="link" to="/">
          Go to the overview
        </Link>
      </Empty>
    </>
  );
}
