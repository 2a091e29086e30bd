// How long a run's history is, which grows by the feed, and all its events where it is short enough
// for that: the timeline and the chart above the slider are made of them.

import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { type Connection, useFeed } from "../api/feed";
import type { RunDetail, RunEvent } from "../api/model";
import { addEvents, eventsOptions } from "../api/queries";
import { eventOf } from "../api/reading";
import type { WireEventNews } from "../api/wire";
import { isOver } from "../logic/states";
import { pagesFor } from "../logic/windows";

/** A longer history is never read as a whole. */
export const WHOLE_MAX = 5_000;

export interface History {
  last: number;
  connection: Connection;
  /** null: there are too many, or they are not read yet. */
  events: RunEvent[] | null;
}

export function useHistory(run: RunDetail): History {
  const client = useQueryClient();
  const [told, setTold] = useState(0);
  // The version that the run had when the page was opened: what came later is the feed's.
  const [begun] = useState(run.version);
  const connection = useFeed<WireEventNews>({
    path: isOver(run.status) ? null : `/feeds/runs/${encodeURIComponent(run.id)}?after=${begun}`,
    name: "event",
    take: (news) => {
      const events = news.map((one) => eventOf(one.event));
      addEvents(client, run.id, events);
      setTold((before) => Math.max(before, ...events.map((event) => event.version)));
      void client.invalidateQueries({ queryKey: ["run", run.id] });
    },
  });
  const last = Math.max(run.version, told);
  const events = useWhole(run.id, last);
  return { last, connection, events };
}

function useWhole(id: string, last: number): RunEvent[] | null {
  const pages = last > WHOLE_MAX ? [] : pagesFor(1, last, last);
  const read = useQueries({
    queries: pages.map((page) => eventsOptions(id, page)),
    combine: (results) => results.map((result) => result.data),
  });
  const stamp = read.map((page) => page?.at(-1)?.version ?? 0).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the pages are the same if their ends are
  return useMemo(() => {
    if (read.length === 0 || read.some((page) => page === undefined)) return null;
    return read.flatMap((page) => page ?? []);
  }, [stamp]);
}
