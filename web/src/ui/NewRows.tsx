import { count } from "~/lib/format";

/** "3 new · show": new rows wait here, so that none moves under the pointer. */
export function NewRows({ waiting, onShow }: { waiting: number; onShow: () => void }) {
  return (
    <div
      role="status"
      className="pointer-events-none absolute inset-x-0 top-9 z-20 flex justify-center"
    >
      {waiting > 0 ? (
        <button
          type="button"
          onClick={onShow}
          className="pointer-events-auto rounded-full border border-accent bg-surface px-3 py-0.5 text-accent shadow-overlay"
        >
          {count(waiting)} new · show
        </button>
      ) : null}
    </div>
  );
}
