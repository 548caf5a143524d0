import type { ButtonHTMLAttributes, Ref } from "react";
import { cx } from "./cx";

type Kind = "primary" | "plain" | "quiet" | "danger";

const kinds: Record<Kind, string> = {
  primary: "border-ink bg-ink text-on-ink hover:opacity-90",
  plain: "border-control bg-surface hover:bg-sunken",
  quiet: "border-border bg-surface hover:border-control",
  danger: "border-critical-mark bg-surface text-critical hover:bg-diff-remove",
};

export const buttonClass = (kind: Kind = "plain") =>
  cx(
    "inline-flex h-[26px] items-center gap-1.5 whitespace-nowrap rounded border px-2.5",
    "disabled:cursor-not-allowed disabled:opacity-55",
    kinds[kind],
  );

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  kind?: Kind;
  ref?: Ref<HTMLButtonElement>;
  /** Why the button cannot be used; it is then disabled and says so on hover. */
  refused?: string | undefined;
};

export function Button({ kind = "plain", refused, className, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      disabled={rest.disabled || refused !== undefined}
      title={refused ?? rest.title}
      className={cx(buttonClass(kind), className)}
    />
  );
}

/** A key as printed on the keyboard. */
export function Key({ children }: { children: string }) {
  return (
    <kbd className="rounded-[3px] border border-border px-1 font-sans text-[11px] leading-4 text-ink-3">
      {children}
    </kbd>
  );
}
