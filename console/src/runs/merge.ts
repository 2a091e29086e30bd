// Rows that the feed tells into a list that was read before.

import type { Run } from "../api/model";
import type { RunsPage } from "../api/queries";

export interface Merged {
  pages: RunsPage[];
  /** Runs that the list has not had, the newest first. */
  fresh: Run[];
}

/** A row never goes back to an older version; one that the filter does not want any more goes. */
export function merge(pages: readonly RunsPage[], told: readonly Run[], status: string): Merged {
  const news = new Map(told.map((run) => [run.id, run]));
  const known = new Set<string>();
  const wanted = (run: Run) => status === "" || run.status === status;
  const kept = pages.map((page) => ({
    ...page,
    runs: page.runs.flatMap((run) => {
      known.add(run.id);
      const newer = news.get(run.id);
      const shown = newer !== undefined && newer.version >= run.version ? newer : run;
      return wanted(shown) ? [shown] : [];
    }),
  }));
  const fresh = told
    .filter((run) => !known.has(run.id) && wanted(run))
    .sort((a, b) => (b.startedAt ?? 0) - (a.startedAt ?? 0));
  return { pages: kept, fresh };
}
