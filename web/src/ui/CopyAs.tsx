import { Button } from "./Button";
import { Menu, MenuItem } from "./Menu";
import { toast } from "./Toasts";

/** What is shown, as an address for people or as a command for a terminal. */
export function CopyAs({ path }: { path: string }) {
  const copy = async (what: string, text: string) => {
    try {
      await navigator.clipboard.writeText(text);
      toast({ id: "copy", body: `Copied the ${what}.` });
    } catch {
      toast({ id: "copy", body: <>The browser does not allow copying here: {text}</> });
    }
  };
  return (
    <Menu label="Copy as" trigger={<Button kind="quiet">Copy as</Button>}>
      <MenuItem onSelect={() => void copy("link", location.href)}>Link to this list</MenuItem>
      <MenuItem onSelect={() => void copy("command", `curl -s '${location.origin}${path}'`)}>
        curl command
      </MenuItem>
    </Menu>
  );
}
