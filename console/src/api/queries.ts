// What is asked of the API and kept: a moment and a page of events that the history has grown past
// never change, so they are asked for once.

import {
  keepPreviousData,
  type QueryClient,
  queryOptions,
  useInfiniteQuery,
  useQuery,
} from "@tanstack/react-query";
import { firstOf, PAGE } from "../logic/windows";
import { get, query } from "./http";
import type { Change, Moment, Net, Reason, Run, RunDetail, RunEvent } from "./model";
import { netOf } from "./nets";
import { changeOf, detailOf, eventOf, momentBefore, momentOf, reasonOf, runOf } from "./reading";
import type {
  WireChange,
  WireEvent,
  WireMoment,
  WirePage,
  WireReason,
  WireRow,
  WireRun,
  WireWorkflow,
  WireWorkflowRow,
} from "./wire";

export interface RunFilter {
  status: string;
  workflow: string;
}

export interface RunsPage {
  runs: Run[];
  next: string | null;
}

export const runsKey = (filter: RunFilter) => ["runs", filter.status, filter.workflow] as const;
const RUNS_A_PAGE = 50;

export function useRuns(filter: RunFilter) {
  return useInfiniteQuery({
    queryKey: runsKey(filter),
    initialPageParam: "",
    queryFn: async ({ pageParam, signal }): Promise<RunsPage> => {
      const words = query({ ...filter, cursor: pageParam, limit: RUNS_A_PAGE });
      const page = await get<WirePage<WireRow>>(`/runs${words}`, signal);
      return { runs: page.items.map(runOf), next: page.next };
    },
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
}

/** Of the workflows that are registered, as many as a page has. */
export function useWorkflowNames(): string[] {
  const names = useQuery({
    queryKey: ["workflows"],
    staleTime: 60_000,
    queryFn: async ({ signal }): Promise<string[]> => {
      const page = await get<WirePage<WireWorkflowRow>>("/workflows?limit=100", signal);
      return page.items.map((one) => one.workflow);
    },
  });
  return names.data ?? [];
}

export function useRun(id: string) {
  return useQuery({
    queryKey: ["run", id],
    queryFn: async ({ signal }): Promise<RunDetail> =>
      detailOf(await get<WireRun>(`/runs/${encodeURIComponent(id)}`, signal)),
  });
}

export function useNet(workflow: string | undefined, version: string | undefined) {
  return useQuery({
    queryKey: ["net", workflow, version],
    enabled: workflow !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<Net> => {
      const path = `/workflows/${encodeURIComponent(workflow ?? "")}${query({ version })}`;
      return netOf((await get<WireWorkflow>(path, signal)).net);
    },
  });
}

export const eventsKey = (id: string, page: number) => ["events", id, page] as const;

export function eventsOptions(id: string, page: number) {
  return queryOptions({
    queryKey: eventsKey(id, page),
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<RunEvent[]> => {
      const words = query({ after: firstOf(page) - 1, limit: PAGE });
      const path = `/runs/${encodeURIComponent(id)}/events${words}`;
      return (await get<WirePage<WireEvent>>(path, signal)).items.map(eventOf);
    },
  });
}

export function momentOptions(id: string, version: number) {
  return queryOptions({
    queryKey: ["moment", id, version] as const,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 120_000,
    queryFn: async ({ signal }): Promise<Moment> => {
      if (version === 0) return momentBefore();
      const path = `/runs/${encodeURIComponent(id)}/states/${version}`;
      return momentOf(await get<WireMoment>(path, signal));
    },
  });
}

export function reasonOptions(id: string, version: number) {
  return queryOptions({
    queryKey: ["reason", id, version] as const,
    gcTime: 120_000,
    queryFn: async ({ signal }): Promise<Reason> => {
      const path = `/runs/${encodeURIComponent(id)}/reasons/${version}`;
      return reasonOf(await get<WireReason>(path, signal));
    },
  });
}

export function changesOptions(id: string, version: number) {
  return queryOptions({
    queryKey: ["changes", id, version] as const,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 120_000,
    queryFn: async ({ signal }): Promise<Change[]> => {
      const path = `/runs/${encodeURIComponent(id)}/changes/${version}`;
      return (await get<WirePage<WireChange>>(path, signal)).items.map(changeOf);
    },
  });
}

/** New events into the pages that are at hand; a page that is not is read when it is looked at. */
export function addEvents(client: QueryClient, id: string, events: readonly RunEvent[]): void {
  const pages = new Map<number, RunEvent[]>();
  for (const event of events) {
    const page = Math.floor((event.version - 1) / PAGE);
    pages.set(page, [...(pages.get(page) ?? []), event]);
  }
  for (const [page, fresh] of pages) {
    client.setQueryData<RunEvent[]>(eventsKey(id, page), (held) => {
      const begins = firstOf(page);
      const kept = held ?? (fresh[0]?.version === begins ? [] : undefined);
      return kept && continued(kept, fresh, begins);
    });
  }
}

/** The next ones in order, each once. A gap cannot be closed here: then it stays as it was. */
function continued(held: RunEvent[], fresh: RunEvent[], begins: number): RunEvent[] {
  const next = begins + held.length;
  const more = fresh.filter((event) => event.version >= next);
  return more[0]?.version === next ? [...held, ...more] : held;
}
