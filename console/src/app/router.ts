// Two pages: the list at `/`, a run at `/runs/ID`. Where the reader is in its history is in the
// address too, so that it can be sent to somebody.

import { useSyncExternalStore } from "react";

export type Route = { page: "runs" } | { page: "run"; id: string } | { page: "nowhere" };

export function routeOf(path: string): Route {
  if (path === "/" || path === "") return { page: "runs" };
  const found = /^\/runs\/([^/]+)\/?$/.exec(path);
  if (found?.[1] === undefined) return { page: "nowhere" };
  try {
    return { page: "run", id: decodeURIComponent(found[1]) };
  } catch {
    return { page: "nowhere" };
  }
}

export function pathOfRun(id: string): string {
  return `/runs/${encodeURIComponent(id)}`;
}

const MOVED = "dalsegno:moved";

function listen(changed: () => void): () => void {
  window.addEventListener("popstate", changed);
  window.addEventListener(MOVED, changed);
  return () => {
    window.removeEventListener("popstate", changed);
    window.removeEventListener(MOVED, changed);
  };
}

export function useAddress(): { path: string; search: string } {
  const href = useSyncExternalStore(listen, () => location.pathname + location.search);
  const cut = href.indexOf("?");
  return cut === -1
    ? { path: href, search: "" }
    : { path: href.slice(0, cut), search: href.slice(cut) };
}

export function go(href: string, how: "push" | "replace" = "push"): void {
  if (href === location.pathname + location.search) return;
  if (how === "push") history.pushState(null, "", href);
  else history.replaceState(null, "", href);
  window.dispatchEvent(new Event(MOVED));
}
