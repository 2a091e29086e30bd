// The list of runs, the newest first. It moves by itself; while the reader is further down, new runs
// wait behind a button, so that nothing slips away under the pointer.

import { useEffect, useState } from "react";
import { type RunFilter, useWorkflowNames } from "../api/queries";
import { go, useAddress } from "../app/router";
import { Live } from "../ui/Live";
import { ErrorNotice, Loading, Notice } from "../ui/Notice";
import { filterOf, searchOfFilter } from "./filter";
import { RunTable } from "./RunTable";
import { useLiveRuns } from "./useLiveRuns";

const STATUSES: readonly [string, string][] = [
  ["", "All"],
  ["running", "Running"],
  ["waiting", "Waiting"],
  ["failed", "Failed"],
  ["completed", "Completed"],
];

const FAR_DOWN_PX = 120;

export function RunsPage() {
  const { search } = useAddress();
  const filter = filterOf(search);
  const { runs, held, release, connection, read } = useLiveRuns(filter, isFarDown);
  useEffect(() => {
    document.title = "Runs · Dal Segno";
  }, []);
  const change = (to: RunFilter) => go(`/${searchOfFilter(to)}`, "replace");
  const show = () => {
    release();
    scroller()?.scrollTo({ top: 0 });
  };
  return (
    <div className="runs">
      <div className="runs-head">
        <h1>Runs</h1>
        <Live connection={connection} />
        <Filters filter={filter} change={change} />
      </div>
      <div className="runs-news" aria-live="polite">
        {held > 0 && (
          <button type="button" className="button news" onClick={show}>
            {held === 1 ? "1 new run" : `${held} new runs`}
          </button>
        )}
      </div>
      {read.isPending && <Loading rows={8} label="Reading the runs" />}
      {read.isError && runs.length === 0 && (
        <ErrorNotice error={read.error} retry={() => void read.refetch()} />
      )}
      {read.isSuccess && runs.length === 0 && <NoRuns filter={filter} />}
      {runs.length > 0 && <RunTable runs={runs} />}
      {read.hasNextPage && (
        <button
          type="button"
          className="button more"
          disabled={read.isFetchingNextPage}
          onClick={() => void read.fetchNextPage()}
        >
          {read.isFetchingNextPage ? "Reading…" : "Earlier runs"}
        </button>
      )}
    </div>
  );
}

function Filters({ filter, change }: { filter: RunFilter; change(to: RunFilter): void }) {
  const [text, setText] = useState(filter.workflow);
  const names = useWorkflowNames();
  useEffect(() => setText(filter.workflow), [filter.workflow]);
  const set = (workflow: string) => {
    setText(workflow);
    if (workflow === "" || names.includes(workflow)) change({ ...filter, workflow });
  };
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
        placeholder="Workflow"
        aria-label="Only runs of this workflow"
        list="workflow-names"
        value={text}
        onChange={(event) => set(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") change({ ...filter, workflow: text.trim() });
        }}
        onBlur={() => change({ ...filter, workflow: text.trim() })}
      />
      <datalist id="workflow-names">
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
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

/** Then rows that come from above would push away what is being read. */
function isFarDown(): boolean {
  return (scroller()?.scrollTop ?? 0) > FAR_DOWN_PX;
}
