// How long a run's history is, which grows by the feed, and all its events where it is short enough
// for that: the timeline and the chart above the slider are made of them.

import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { type Connection, useFeed } from "../api/feed";
import type { RunDetail, RunEvent } from "../api/model";
import { addEvents } from "../api/queries";
import { eventOf } from "../api/reading";
import type { WireEventNews } from "../api/wire";
import { isOver } from "../logic/states";
import { pagesFor } from "../logic/windows";
import { usePages } from "./usePages";

/** A longer history is never read as a whole. */
export const WHOLE_MAX = 5_000;

/** What is said of a run as a whole is asked for at most so often, unless the run itself changed. */
const RUN_EVERY_MS = 3_000;

export interface History {
  last: number;
  connection: Connection;
  /** null: there are too many, or they are not read yet. */
  events: RunEvent[] | null;
}

export function useHistory(run: RunDetail): History {
  const client = useQueryClient();
  const [told, setTold] = useState(0);
  const asked = useRef(0);
  // The version that the run had when the page was opened: what came later is the feed's.
  const [begun] = useState(run.version);
  const connection = useFeed<WireEventNews>({
    path: isOver(run.status) ? null : `/feeds/runs/${encodeURIComponent(run.id)}?after=${begun}`,
    name: "event",
    take: (news) => {
      const events = news.map((one) => eventOf(one.event));
      addEvents(client, run.id, events);
      setTold((before) => Math.max(before, ...events.map((event) => event.version)));
      const isDue = Date.now() - asked.current > RUN_EVERY_MS;
      if (!isDue && !events.some((event) => event.type.startsWith("run."))) return;
      asked.current = Date.now();
      void client.invalidateQueries({ queryKey: ["run", run.id] });
    },
  });
  const last = Math.max(run.version, told);
  const events = useWhole(run.id, last);
  return { last, connection, events };
}

function useWhole(id: string, last: number): RunEvent[] | null {
  const pages = last > WHOLE_MAX ? [] : pagesFor(1, last, last);
  const read = usePages(id, pages, last);
  const stamp = read.map((page) => page?.at(-1)?.version ?? 0).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the pages are the same if their ends are
  return useMemo(() => {
    if (read.length === 0 || read.some((page) => page === undefined)) return null;
    return read.flatMap((page) => page ?? []);
  }, [stamp]);
}
