import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { useShortcuts } from "~/lib/shortcuts";
import { cx } from "./cx";
import { useWidth } from "./useWidth";

export const rowHeight = 32;

export type Column<R> = {
  key: string;
  header: string;
  /** A track of grid-template-columns, such as "94px" or "minmax(160px,1fr)". */
  width: string;
  align?: "end";
  /** The column is left out while the grid is narrower than this many pixels. */
  from?: number;
  cell: (row: R) => ReactNode;
};

type Props<R> = {
  label: string;
  columns: Column<R>[];
  rows: R[];
  rowKey: (row: R) => string;
  /** Opens the row: Enter, o or a click. */
  onActivate: (row: R) => void;
  /** 2 for a row under a group. With groups the grid is a tree. */
  level?: (row: R) => 1 | 2;
  expanded?: (row: R) => boolean | undefined;
  onExpand?: (row: R, open: boolean) => void;
  selected?: (row: R) => boolean;
  /** Rows in all, where that is known and more than are loaded. */
  total?: number | undefined;
  onEnd?: (() => void) | undefined;
  /** Called when the pointer or the focus enters or leaves the rows. */
  onHold?: ((held: boolean) => void) | undefined;
  footer?: ReactNode;
};

/** A table of 32-pixel rows of which only the visible ones exist, moved through by keyboard. */
export function Grid<R>(props: Props<R>) {
  const { label, columns, rows, rowKey, onActivate, level, expanded, onExpand, selected } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller);
  const [current, setCurrent] = useState<string | undefined>(undefined);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (i) => (rows[i] === undefined ? i : rowKey(rows[i])),
    overscan: 12,
    scrollPaddingStart: 28,
    initialRect: { width: 1000, height: 800 },
  });
  const items = virtual.getVirtualItems();

  const { onEnd } = props;
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (onEnd && rows.length > 0 && lastShown >= rows.length - 20) onEnd();
  }, [lastShown, rows.length, onEnd]);

  const visible = columns.filter((c) => c.from === undefined || width === 0 || width >= c.from);
  const template = visible.map((c) => c.width).join(" ");
  const found = current === undefined ? -1 : rows.findIndex((r) => rowKey(r) === current);
  const at = found >= 0 ? found : rows.findIndex((r) => selected?.(r) === true);
  const tabStop = at >= 0 ? at : 0;

  const focusRow = (index: number) => {
    const row = rows[index];
    if (!row) return;
    setCurrent(rowKey(row));
    virtual.scrollToIndex(index, { align: "auto" });
    const focus = () => {
      const element = scroller.current?.querySelector<HTMLElement>(
        `[aria-rowindex="${index + 2}"]`,
      );
      element?.focus({ preventScroll: true });
      return element !== null && element !== undefined;
    };
    // A row far away exists only after the scrolling.
    if (!focus()) requestAnimationFrame(focus);
  };
  // A focused row may go, such as one that said "Loading…": the focus then
  // passes to the row in its place and is never lost.
  const focusedAt = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (focusedAt.current === undefined || found >= 0 || rows.length === 0) return;
    if (document.activeElement !== document.body) return;
    focusRow(Math.min(focusedAt.current, rows.length - 1));
  });
  const focused = () => scroller.current?.contains(document.activeElement) === true;
  const move = (by: number) => {
    const next =
      at < 0 || (!focused() && found < 0)
        ? tabStop
        : Math.min(rows.length - 1, Math.max(0, at + by));
    focusRow(next);
    return undefined;
  };
  useShortcuts({
    j: () => move(1),
    k: () => move(-1),
  });

  const onKeyDown = (event: KeyboardEvent, row: R, index: number) => {
    if (event.target !== event.currentTarget) return;
    const open = expanded?.(row);
    const actions: Record<string, () => void> = {
      ArrowDown: () => focusRow(Math.min(rows.length - 1, index + 1)),
      ArrowUp: () => focusRow(Math.max(0, index - 1)),
      Home: () => focusRow(0),
      End: () => focusRow(rows.length - 1),
      PageDown: () => focusRow(Math.min(rows.length - 1, index + 15)),
      PageUp: () => focusRow(Math.max(0, index - 15)),
      Enter: () => onActivate(row),
      " ": () => onActivate(row),
    };
    if (open === false) actions.ArrowRight = () => onExpand?.(row, true);
    if (open === true) actions.ArrowLeft = () => onExpand?.(row, false);
    if (level?.(row) === 2) {
      actions.ArrowLeft = () => {
        let group = index;
        while (group > 0 && rows[group] && level(rows[group] as R) === 2) group--;
        focusRow(group);
      };
    }
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  };

  const tree = onExpand !== undefined;
  return (
    <div
      ref={scroller}
      role={tree ? "treegrid" : "grid"}
      aria-label={label}
      aria-rowcount={(props.total ?? rows.length) + 1}
      className="relative min-h-0 flex-1 overflow-auto"
      data-scroll-restoration-id={label}
      onPointerEnter={() => props.onHold?.(true)}
      onPointerLeave={() => props.onHold?.(false)}
    >
      <div role="rowgroup" className="sticky top-0 z-10 min-w-fit border-border border-b bg-bg">
        <div
          role="row"
          aria-rowindex={1}
          tabIndex={-1}
          className="grid h-[27px] items-center gap-x-3 px-4 text-ink-2 text-small"
          style={{ gridTemplateColumns: template }}
        >
          {visible.map((c) => (
            <span role="columnheader" key={c.key} className={c.align === "end" ? "text-right" : ""}>
              {c.header}
            </span>
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        className="relative min-w-fit"
        style={{ height: virtual.getTotalSize() }}
      >
        {items.map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          const isSelected = selected?.(row) === true;
          const child = level?.(row) === 2;
          return (
            <div
              key={item.key}
              role="row"
              aria-rowindex={item.index + 2}
              aria-level={tree ? (child ? 2 : 1) : undefined}
              aria-expanded={expanded?.(row)}
              aria-selected={selected ? isSelected : undefined}
              tabIndex={item.index === tabStop ? 0 : -1}
              onKeyDown={(e) => onKeyDown(e, row, item.index)}
              onFocus={() => {
                focusedAt.current = item.index;
                setCurrent(rowKey(row));
              }}
              onBlur={(e) => {
                if (e.relatedTarget) focusedAt.current = undefined;
              }}
              onClick={(e) => {
                const link = (e.target as HTMLElement).closest("a");
                if (e.defaultPrevented || (link && (e.metaKey || e.ctrlKey || e.shiftKey))) return;
                if (link) e.preventDefault();
                setCurrent(rowKey(row));
                onActivate(row);
              }}
              className={cx(
                "absolute inset-x-0 top-0 grid h-8 cursor-default items-center gap-x-3 border-border border-b px-4",
                "focus-visible:-outline-offset-2",
                isSelected
                  ? "bg-selected shadow-[inset_2px_0_0_var(--accent)]"
                  : child
                    ? "bg-bg hover:bg-sunken"
                    : "bg-surface hover:bg-sunken",
              )}
              style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
            >
              {visible.map((c) => (
                <span
                  role="gridcell"
                  key={c.key}
                  className={cx(
                    "h-full truncate leading-[31px]",
                    c.align === "end" && "text-right",
                  )}
                >
                  {c.cell(row)}
                </span>
              ))}
            </div>
          );
        })}
      </div>
      {props.footer}
    </div>
  );
}
