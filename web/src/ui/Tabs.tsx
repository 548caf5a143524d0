import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

export type Tab<T extends string> = { value: T; label: string; note?: string };

/** A row of tabs; the content of the chosen one is the child. */
export function Tabs<T extends string>(props: {
  label: string;
  tabs: Tab<T>[];
  value: T;
  onChange: (value: T) => void;
  children: ReactNode;
  className?: string;
}) {
  const { label, tabs, value, onChange, children, className } = props;
  return (
    <Radix.Root
      value={value}
      onValueChange={(v) => onChange(v as T)}
      activationMode="manual"
      className={className}
    >
      <Radix.List
        aria-label={label}
        className="flex gap-3.5 overflow-x-auto border-border border-b"
      >
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className="-mb-px whitespace-nowrap border-transparent border-b-2 py-1 text-ink-2 hover:text-ink data-[state=active]:border-ink data-[state=active]:font-[650] data-[state=active]:text-ink"
          >
            {tab.label}
            {tab.note ? <span className="ml-1 font-normal text-ink-3">{tab.note}</span> : null}
          </Radix.Trigger>
        ))}
      </Radix.List>
      <Radix.Content value={value} tabIndex={-1} className="pt-3">
        {children}
      </Radix.Content>
    </Radix.Root>
  );
}
