import { parseSearch } from "./router-search";

// The address the application was opened with, before the router drops what is
// not valid from it: the page then says what it dropped.

export const opened = {
  path: typeof window === "undefined" ? "" : window.location.pathname,
  search: typeof window === "undefined" ? {} : parseSearch(window.location.search),
};
