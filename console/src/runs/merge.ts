// Rows that the feed tells into a list that was read before.

import type { Run } from "../api/model";
import type { RunsPage } from "../api/queries";

/** As the server orders them: the newest first. */
export function newestFirst(a: Run, b: Run): number {
  const [left, right] = [a.startedAt ?? 0, b.startedAt ?? 0];
  if (left !== right) return right - left;
  return a.id === b.id ? 0 : a.id < b.id ? 1 : -1;
}

/**
 * The rows to be shown. A row never goes back to an older version; one that the filter does not want
 * any more goes. A run from below the pages that were read comes with its own page.
 */
export function merge(
  pages: readonly RunsPage[],
  news: ReadonlyMap<string, Run>,
  status: string,
): Run[] {
  const read = new Map(pages.flatMap((page) => page.runs.map((run) => [run.id, run])));
  const bottom = [...read.values()].at(-1);
  const isWhole = (pages.at(-1)?.next ?? null) === null;
  const rows = [...read.values()].map((run) => {
    const newer = news.get(run.id);
    return newer !== undefined && newer.version >= run.version ? newer : run;
  });
  for (const run of news.values()) {
    if (read.has(run.id)) continue;
    if (isWhole || (bottom !== undefined && newestFirst(run, bottom) < 0)) rows.push(run);
  }
  return rows.filter((run) => status === "" || run.status === status).sort(newestFirst);
}
