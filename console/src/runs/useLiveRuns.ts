// The list of runs as it is now: what was read, and what the feed has told since. While the reader is
// further down, runs that are new wait until he wants them.

import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { type Connection, useFeed } from "../api/feed";
import { query } from "../api/http";
import type { Run } from "../api/model";
import { type RunsPage as Page, type RunFilter, runsKey, useRuns } from "../api/queries";
import { runOf } from "../api/reading";
import type { WireNews } from "../api/wire";
import { merge } from "./merge";

/** After so many runs that were told of, the list is read anew: it does not grow for ever. */
const NEWS_MAX = 300;

const NONE: ReadonlyMap<string, Run> = new Map();
const NOBODY: ReadonlySet<string> = new Set();

export interface LiveRuns {
  runs: Run[];
  /** New ones that wait. */
  held: number;
  release(): void;
  connection: Connection;
  read: ReturnType<typeof useRuns>;
}

/** `isBusy`: whether the reader would lose his place if rows came from above. */
export function useLiveRuns(filter: RunFilter, isBusy: () => boolean): LiveRuns {
  const client = useQueryClient();
  const read = useRuns(filter);
  const [news, setNews] = useState(NONE);
  const [held, setHeld] = useState(NOBODY);
  const key = runsKey(filter);
  const name = JSON.stringify(key);
  const shownName = useRef(name);
  if (shownName.current !== name) {
    shownName.current = name;
    setNews(NONE);
    setHeld(NOBODY);
  }
  const pages = read.data?.pages;
  const all = useMemo(
    () => (pages === undefined ? [] : merge(pages, news, filter.status)),
    [pages, news, filter.status],
  );
  const runs = useMemo(() => all.filter((run) => !held.has(run.id)), [all, held]);

  const take = (told: readonly Run[]) => {
    const next = new Map(news);
    for (const run of told) {
      if ((next.get(run.id)?.version ?? 0) <= run.version) next.set(run.id, run);
    }
    if (isBusy()) {
      const known = new Set(all.map((run) => run.id));
      const fresh = told.filter((run) => !known.has(run.id));
      if (fresh.length > 0) setHeld(new Set([...held, ...fresh.map((run) => run.id)]));
    } else if (next.size > NEWS_MAX) {
      client.setQueryData<InfiniteData<Page, string>>(key, (data) => firstPage(data));
      void client.invalidateQueries({ queryKey: key }).then(() => setNews(NONE));
    }
    setNews(next);
  };
  const connection = useFeed<WireNews>({
    path: read.isSuccess ? `/feeds/runs${query({ workflow: filter.workflow })}` : null,
    name: "run",
    take: (told) => take(told.map((one) => runOf(one.run))),
    // What happened between reading and following, or while nobody followed, is read once more.
    opened: () => void client.invalidateQueries({ queryKey: key }),
  });
  return {
    runs,
    held: all.length - runs.length,
    release: () => setHeld(NOBODY),
    connection: read.isError ? "lost" : connection,
    read,
  };
}

function firstPage(data: InfiniteData<Page, string> | undefined) {
  if (data === undefined) return undefined;
  return { pages: data.pages.slice(0, 1), pageParams: data.pageParams.slice(0, 1) };
}
