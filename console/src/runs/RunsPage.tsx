// The list of runs, the newest first. It moves by itself; while the reader is further down, new runs
// wait behind a button, so that nothing slips away under the pointer.

import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useFeed } from "../api/feed";
import { query } from "../api/http";
import type { Run } from "../api/model";
import { type RunsPage as Page, type RunFilter, runsKey, useRuns } from "../api/queries";
import { runOf } from "../api/reading";
import type { WireNews } from "../api/wire";
import { Live } from "../ui/Live";
import { ErrorNotice, Loading, Notice } from "../ui/Notice";
import { type Merged, merge } from "./merge";
import { RunTable } from "./RunTable";

const STATUSES: readonly [string, string][] = [
  ["", "All"],
  ["running", "Running"],
  ["waiting", "Waiting"],
  ["failed", "Failed"],
  ["completed", "Completed"],
];

const FAR_DOWN_PX = 120;

export function RunsPage() {
  const [filter, setFilter] = useState<RunFilter>({ status: "", workflow: "" });
  const runs = useRuns(filter);
  const { held, release, connection } = useLiveRuns(filter, runs.isSuccess);
  useEffect(() => {
    document.title = "Runs · Dal Segno";
  }, []);
  const found = runs.data?.pages.flatMap((page) => page.runs) ?? [];
  return (
    <div className="runs">
      <div className="runs-head">
        <h1>Runs</h1>
        <Live connection={runs.isError ? "lost" : connection} />
        <Filters filter={filter} change={setFilter} />
      </div>
      <div className="runs-news" aria-live="polite">
        {held > 0 && (
          <button type="button" className="button news" onClick={release}>
            {held === 1 ? "1 new run" : `${held} new runs`}
          </button>
        )}
      </div>
      {runs.isPending && <Loading rows={8} label="Reading the runs" />}
      {runs.isError && found.length === 0 && (
        <ErrorNotice error={runs.error} retry={() => void runs.refetch()} />
      )}
      {runs.isSuccess && found.length === 0 && <NoRuns filter={filter} />}
      {found.length > 0 && <RunTable runs={found} />}
      {runs.hasNextPage && (
        <button
          type="button"
          className="button more"
          disabled={runs.isFetchingNextPage}
          onClick={() => void runs.fetchNextPage()}
        >
          {runs.isFetchingNextPage ? "Reading…" : "Earlier runs"}
        </button>
      )}
    </div>
  );
}

function Filters({ filter, change }: { filter: RunFilter; change(to: RunFilter): void }) {
  const [text, setText] = useState(filter.workflow);
  useEffect(() => {
    const timer = window.setTimeout(() => change({ ...filter, workflow: text.trim() }), 250);
    return () => window.clearTimeout(timer);
  }, [text, filter, change]);
  return (
    <search className="filters">
      <fieldset className="switch switch-text">
        <legend className="hidden-text">Status</legend>
        {STATUSES.map(([value, label]) => (
          <label key={value}>
            <input
              type="radio"
              name="status"
              checked={filter.status === value}
              onChange={() => change({ ...filter, status: value })}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <input
        className="field"
        type="search"
        placeholder="Workflow, by its name"
        aria-label="Only runs of this workflow"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </search>
  );
}

function NoRuns({ filter }: { filter: RunFilter }) {
  if (filter.status !== "" || filter.workflow !== "") {
    return (
      <Notice title="No run is like that">
        <p>A workflow is found by its whole name.</p>
      </Notice>
    );
  }
  return (
    <Notice title="There are no runs yet">
      <p>The first one appears here by itself. For example:</p>
      <pre className="command">
        <code>dalsegno run start greet --input '{'{"name": "Ada"}'}'</code>
      </pre>
    </Notice>
  );
}

function scroller(): HTMLElement | null {
  return document.getElementById("main");
}

/** Follows the list's runs. `held`: new ones that wait until the reader wants them. */
function useLiveRuns(filter: RunFilter, ready: boolean) {
  const client = useQueryClient();
  const waiting = useRef(new Map<string, Run>());
  const [held, setHeld] = useState(0);
  const key = runsKey(filter);
  const put = (runs: Run[], hold: boolean) => {
    client.setQueryData<InfiniteData<Page, string>>(key, (data) => {
      const first = data?.pages[0];
      if (data === undefined || first === undefined) return data;
      const merged: Merged = merge(data.pages, runs, filter.status);
      const fresh = hold ? [] : merged.fresh;
      if (hold) for (const run of merged.fresh) waiting.current.set(run.id, run);
      const [top, ...rest] = merged.pages;
      return top ? { ...data, pages: [{ ...top, runs: [...fresh, ...top.runs] }, ...rest] } : data;
    });
    setHeld(waiting.current.size);
  };
  const release = () => {
    const runs = [...waiting.current.values()];
    waiting.current.clear();
    put(runs, false);
    scroller()?.scrollTo({ top: 0 });
  };
  const { workflow } = filter;
  const connection = useFeed<WireNews>({
    path: ready ? `/feeds/runs${query({ workflow })}` : null,
    name: "run",
    take: (told) => {
      const newest = new Map(told.map((one) => [one.run.run_id, runOf(one.run)]));
      put([...newest.values()], (scroller()?.scrollTop ?? 0) > FAR_DOWN_PX);
    },
  });
  return { held, release, connection };
}
