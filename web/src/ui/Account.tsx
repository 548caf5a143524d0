import { accountId } from "~/lib/format";

export function AccountName({ id, name }: { id: string; name: string }) {
  return (
    <span>
      {accountId(id)}
      {name ? ` ${name}` : ""}
    </span>
  );
}
