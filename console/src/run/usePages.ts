// Pages of a run's events. One that lacks events which are known to exist, since it was being read
// while they were told, is read again.

import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { RunEvent } from "../api/model";
import { eventsKey, eventsOptions } from "../api/queries";
import { sizeOf } from "../logic/windows";

const SOON_MS = 300;

export function usePages(id: string, pages: number[], last: number): (RunEvent[] | undefined)[] {
  const client = useQueryClient();
  const read = useQueries({
    queries: pages.map((page) => eventsOptions(id, page)),
    combine: (results) =>
      results.map(({ data, isFetching, dataUpdatedAt }) => ({ data, isFetching, dataUpdatedAt })),
  });
  const short = pages.find((page, index) => {
    const { data, isFetching } = read[index] ?? {};
    return data !== undefined && !isFetching && data.length < sizeOf(page, last);
  });
  const readAt = read[pages.indexOf(short ?? -1)]?.dataUpdatedAt ?? 0;
  useEffect(() => {
    if (short === undefined) return;
    const again = () => void client.invalidateQueries({ queryKey: eventsKey(id, short) });
    // What was read just now lacks at most what is being told.
    const timer = window.setTimeout(again, Math.max(0, readAt + SOON_MS - Date.now()));
    return () => window.clearTimeout(timer);
  }, [client, id, short, readAt]);
  return read.map((one) => one.data);
}
