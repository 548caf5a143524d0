import { FindingView } from "~/findings/FindingView";
import type { FindingTab } from "~/lib/search";

/** The finding beside the list. On a narrow screen it lies over it. */
export function Peek(props: {
  id: string;
  tab: FindingTab;
  onTab: (tab: FindingTab) => void;
  onClose: () => void;
  onStep: ((by: number) => void) | undefined;
}) {
  const { id, tab, onTab, onClose, onStep } = props;
  const corner = (
    <>
      {onStep ? (
        <>
          <Corner label="Previous finding" mark="↑" onClick={() => onStep(-1)} />
          <Corner label="Next finding" mark="↓" onClick={() => onStep(1)} />
        </>
      ) : null}
      <Corner label="Close the panel" mark="✕" onClick={onClose} />
    </>
  );
  return (
    <aside
      aria-label="Finding"
      className="absolute inset-y-0 right-0 z-30 w-[470px] max-w-full overflow-y-auto border-border border-l bg-surface lg:static lg:z-auto lg:shrink-0"
    >
      <FindingView key={id} id={id} tab={tab} onTab={onTab} corner={corner} />
    </aside>
  );
}

function Corner(props: { label: string; mark: string; onClick: () => void }) {
  return (
    <button
      type="button"
      aria-label={props.label}
      title={props.label}
      onClick={props.onClick}
      className="size-6 rounded text-ink-3 hover:bg-sunken hover:text-ink"
    >
      {props.mark}
    </button>
  );
}
