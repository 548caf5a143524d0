import type { ReactNode } from "react";

/**
 * The link of a row: it can be opened in a new tab like any link, while a plain
 * click is left to the row. The keyboard reaches it through the row.
 */
export function RowLink(props: {
  href: string;
  title?: string | undefined;
  struck?: boolean;
  children: ReactNode;
}) {
  return (
    <a
      href={props.href}
      tabIndex={-1}
      title={props.title}
      className={props.struck ? "text-ink-2 line-through" : undefined}
    >
      {props.children}
    </a>
  );
}
