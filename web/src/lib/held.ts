// Keeps lists still while somebody points at them: what is in them is brought
// up to date, but nothing is added, moved or taken away until they look away.

export class HeldLists {
  private readonly lists = new Map<string, unknown[]>();
  private held = false;

  /** While held, lists keep the rows and the order they have. */
  hold(held: boolean): void {
    this.held = held;
  }

  /** Forgets what is shown, so that the next lists are the newest. */
  release(): void {
    this.lists.clear();
  }

  /** The rows to show of the list called `name`, and how many newer ones wait. */
  show<R>(name: string, rows: R[], key: (row: R) => string): { rows: R[]; waiting: number } {
    const shown = this.lists.get(name) as R[] | undefined;
    if (!this.held || shown === undefined || shown.length === 0) {
      this.lists.set(name, rows);
      return { rows, waiting: 0 };
    }
    const latest = new Map(rows.map((row) => [key(row), row]));
    const kept = shown.map((row) => latest.get(key(row)) ?? row);
    const had = new Set(shown.map(key));
    this.lists.set(name, kept);
    return { rows: kept, waiting: rows.filter((row) => !had.has(key(row))).length };
  }
}
