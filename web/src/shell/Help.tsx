import { setPreferences, usePreferences } from "~/lib/preferences";
import { Key } from "~/ui/Button";
import { Dialog, DialogBody } from "~/ui/Dialog";
import { useEntries } from "./Sidebar";

const keys: [string[], string][] = [
  [["⌘K", "Ctrl K"], "go anywhere"],
  [["/"], "search"],
  [["F"], "add a filter"],
  [["j", "k"], "next and previous row"],
  [["Enter"], "open the row, or open and close the group"],
  [["←", "→"], "close and open a group"],
  [["[", "]"], "previous and next finding in the panel"],
  [["Esc"], "close the panel"],
  [["y"], "copy a link to what is shown"],
  [["?"], "this list"],
];

export function Help({ onClose }: { onClose: () => void }) {
  const { singleKeys } = usePreferences();
  const pages = useEntries().map((e): [string[], string] => [["g", e.key], e.label.toLowerCase()]);
  return (
    <Dialog open onClose={onClose} title="Keys" description="Everything here has a button too.">
      <DialogBody>
        <dl className="grid grid-cols-[110px_1fr] gap-y-1">
          {[...keys, ...pages].map(([names, what]) => (
            <div key={what} className="contents">
              <dt className="space-x-1">
                {names.map((name) => (
                  <Key key={name}>{name}</Key>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <label className="mt-4 flex items-center gap-2">
          <input
            type="checkbox"
            checked={singleKeys}
            onChange={(e) => setPreferences({ singleKeys: e.target.checked })}
          />
          Use single-key shortcuts
        </label>
      </DialogBody>
    </Dialog>
  );
}
