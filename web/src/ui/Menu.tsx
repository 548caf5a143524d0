import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";

/** A menu of actions. Not modal, because a modal one locks scrolling with an injected style tag. */
export function Menu(props: { trigger: ReactNode; label: string; children: ReactNode }) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{props.trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align="end"
          sideOffset={4}
          collisionPadding={8}
          aria-label={props.label}
          className="z-40 max-h-[70vh] min-w-[220px] overflow-y-auto rounded-overlay border border-border bg-surface py-1 shadow-overlay"
        >
          {props.children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function MenuItem(props: { onSelect: () => void; children: ReactNode; checked?: boolean }) {
  return (
    <Radix.Item
      onSelect={props.onSelect}
      className="flex cursor-pointer items-center gap-2 px-3 py-1 outline-none data-[highlighted]:bg-selected"
    >
      {props.checked === undefined ? null : (
        <span className="w-3 text-accent">{props.checked ? "✓" : ""}</span>
      )}
      {props.children}
    </Radix.Item>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <Radix.Label className="px-3 pt-2 pb-1 text-ink-3 text-small">{children}</Radix.Label>;
}
