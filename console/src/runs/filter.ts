// Which runs are listed is in the address, so that it can be kept and sent to somebody.

import type { RunFilter } from "../api/queries";

export function filterOf(search: string): RunFilter {
  const words = new URLSearchParams(search);
  return { status: words.get("status") ?? "", workflow: words.get("workflow") ?? "" };
}

export function searchOfFilter({ status, workflow }: RunFilter): string {
  const words = new URLSearchParams();
  if (status !== "") words.set("status", status);
  if (workflow !== "") words.set("workflow", workflow);
  return words.size === 0 ? "" : `?${words}`;
}
