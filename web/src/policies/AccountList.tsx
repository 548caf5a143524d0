import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import * as queries from "~/api/queries";
import { accountId } from "~/lib/format";

/** Chooses accounts by name or id. */
export function AccountList(props: {
  label: string;
  none: string;
  chosen: string[];
  error?: string | undefined;
  onChange: (accounts: string[]) => void;
}) {
  const { label, none, chosen, error, onChange } = props;
  const accounts = useQuery(queries.accounts()).data ?? [];
  const [text, setText] = useState("");
  const needle = text.trim().toLowerCase();
  const unlisted = chosen.filter((id) => !accounts.some((a) => a.account_id === id));
  const all = [...unlisted.map((id) => ({ account_id: id, name: "" })), ...accounts];
  const hits = all.filter(
    (a) =>
      a.name.toLowerCase().includes(needle) || a.account_id.includes(needle.replaceAll(" ", "")),
  );
  return (
    <fieldset className="min-w-0">
      <legend className="pb-0.5">
        {label}{" "}
        <span className="text-ink-3">{chosen.length === 0 ? none : `${chosen.length} chosen`}</span>
      </legend>
      <input
        value={text}
        onChange={(e) => setText(e.target.value)}
        placeholder="Search accounts"
        aria-label={`Search ${label.toLowerCase()}`}
        className="w-full rounded-t border border-control bg-surface px-2 py-1"
      />
      <div className="h-[116px] overflow-y-auto rounded-b border border-control border-t-0">
        {hits.slice(0, 100).map((a) => (
          <label key={a.account_id} className="flex items-center gap-2 px-2 py-0.5 hover:bg-sunken">
            <input
              type="checkbox"
              checked={chosen.includes(a.account_id)}
              onChange={(e) =>
                onChange(
                  e.target.checked
                    ? [...chosen, a.account_id]
                    : chosen.filter((id) => id !== a.account_id),
                )
              }
            />
            <span className="truncate">{a.name || "not registered"}</span>
            <span className="ml-auto text-ink-3">{accountId(a.account_id)}</span>
          </label>
        ))}
        {hits.length === 0 ? <p className="px-2 py-1 text-ink-2">No such account.</p> : null}
      </div>
      {error ? <p className="text-critical text-small">{error}</p> : null}
    </fieldset>
  );
}
