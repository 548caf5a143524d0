// The page list: a page is its folder and its line here. The order is that of
// the sidebar.
import { accounts } from "./accounts/route";
import { finding } from "./finding/route";
import { findings } from "./findings/route";
import { inventory } from "./inventory/route";
import { login } from "./login/route";
import { overview } from "./overview/route";
import { policies } from "./policies/route";
import { policy } from "./policy/route";
import { resource } from "./resource/route";
import { system } from "./system/route";

export const pages = [
  overview,
  findings,
  finding,
  inventory,
  resource,
  policies,
  policy,
  accounts,
  system,
  login,
] as const;
