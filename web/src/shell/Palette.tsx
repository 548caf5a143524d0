import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { type ReactNode, useEffect, useState } from "react";
import { get } from "~/api/client";
import * as queries from "~/api/queries";
import type { FindingPage, ResourcePage } from "~/api/types";
import { Dialog } from "~/ui/Dialog";
import { SeverityGlyph } from "~/ui/Severity";
import { useEntries } from "./Sidebar";

/** Go to a page, a policy, a finding or a resource by typing a piece of its name. */
export function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const entries = useEntries();
  const [text, setText] = useState("");
  const q = useSettled(text.trim(), 200);
  const policies = useQuery(queries.policies());
  const enabled = q.length >= 2;
  const findings = useQuery({
    queryKey: ["palette", "findings", q],
    queryFn: ({ signal }) => get<FindingPage>("/findings", { q, page_size: 6 }, signal),
    enabled,
  });
  const resources = useQuery({
    queryKey: ["palette", "resources", q],
    queryFn: ({ signal }) => get<ResourcePage>("/resources", { q, page_size: 6 }, signal),
    enabled,
  });
  const go = (to: string) => {
    onClose();
    void navigate({ to });
  };
  const has = (...words: string[]) =>
    words.some((w) => w.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <Dialog open onClose={onClose} title="Go to" wide>
      <Command label="Go to" shouldFilter={false} className="flex min-h-0 flex-col">
        <Command.Input
          value={text}
          onValueChange={setText}
          placeholder="Page, policy, resource name or ARN"
          className="border-border border-b bg-transparent px-4 py-2 outline-none"
        />
        <Command.List className="min-h-0 overflow-y-auto py-1">
          <Command.Empty className="px-4 py-3 text-ink-2">
            {findings.isFetching || resources.isFetching ? "Searching…" : "Nothing has this name."}
          </Command.Empty>
          <Group heading="Pages">
            {entries
              .filter(({ label }) => has(label))
              .map(({ to, label }) => (
                <Item key={to} value={to} onSelect={() => go(to)}>
                  {label}
                </Item>
              ))}
          </Group>
          <Group heading="Policies">
            {(policies.data ?? [])
              .filter((p) => text.trim() !== "" && has(p.title, p.policy_id))
              .slice(0, 6)
              .map((p) => (
                <Item
                  key={p.policy_id}
                  value={`policy ${p.policy_id}`}
                  onSelect={() => go(`/policies/${p.policy_id}`)}
                >
                  <SeverityGlyph label={p.severity_label} /> {p.title}
                  <Dim>{p.status}</Dim>
                </Item>
              ))}
          </Group>
          <Group heading="Findings">
            {(enabled ? (findings.data?.findings ?? []) : []).map((f) => (
              <Item key={f.id} value={f.id} onSelect={() => go(`/findings/${f.id}`)}>
                <SeverityGlyph label={f.severity_label} /> {f.resource_name}
                <Dim>{f.policy_title}</Dim>
              </Item>
            ))}
          </Group>
          <Group heading="Resources">
            {(enabled ? (resources.data?.resources ?? []) : []).map((r) => (
              <Item key={r.id} value={r.id} onSelect={() => go(`/inventory/${r.id}`)}>
                {r.name}
                <Dim>{`${r.type_title} · ${r.account_name}`}</Dim>
              </Item>
            ))}
          </Group>
        </Command.List>
      </Command>
    </Dialog>
  );
}

function Group({ heading, children }: { heading: string; children: ReactNode[] }) {
  if (children.length === 0) return null;
  return (
    <Command.Group
      heading={heading}
      className="[&_[cmdk-group-heading]]:px-4 [&_[cmdk-group-heading]]:pt-2 [&_[cmdk-group-heading]]:text-ink-3 [&_[cmdk-group-heading]]:text-small"
    >
      {children}
    </Command.Group>
  );
}

function Item(props: { value: string; onSelect: () => void; children: ReactNode }) {
  return (
    <Command.Item
      value={props.value}
      onSelect={props.onSelect}
      className="flex cursor-pointer items-center gap-2 truncate px-4 py-1 data-[selected=true]:bg-selected"
    >
      {props.children}
    </Command.Item>
  );
}

function Dim({ children }: { children: string }) {
  return <span className="truncate text-ink-2">{children}</span>;
}

/** The value once it has not changed for a while. */
function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
