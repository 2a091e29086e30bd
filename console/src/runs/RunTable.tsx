import { type KeyboardEvent, memo } from "react";
import type { Run } from "../api/model";
import { Link } from "../app/Link";
import { pathOfRun } from "../app/router";
import { ago, count, duration, instant } from "../logic/format";
import { Badge } from "../ui/Badge";
import { useNow } from "../ui/useNow";

export function RunTable({ runs }: { runs: readonly Run[] }) {
  const now = useNow(1_000);
  return (
    <table className="run-table" onKeyDown={moveFocus}>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Run</th>
          <th scope="col">Workflow</th>
          <th scope="col" className="number">
            Events
          </th>
          <th scope="col" className="number">
            Took
          </th>
          <th scope="col" className="number">
            Started
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <RunLine key={run.id} run={run} {...timesOf(run, now)} />
        ))}
      </tbody>
    </table>
  );
}

/** As texts, so that a row whose texts stay the same is not drawn anew each second. */
function timesOf(run: Run, now: number): { took: string; started: string } {
  if (run.startedAt === null) return { took: "–", started: "–" };
  const until = run.endedAt ?? now;
  return {
    took: duration(roughly(Math.max(0, until - run.startedAt), run.endedAt === null)),
    started: ago(run.startedAt, now),
  };
}

function roughly(us: number, moves: boolean): number {
  return moves ? Math.floor(us / 1_000_000) * 1_000_000 : us;
}

interface LineProps {
  run: Run;
  took: string;
  started: string;
}

const RunLine = memo(function RunLine({ run, took, started }: LineProps) {
  return (
    <tr className="appears">
      <td>
        <Badge status={run.status} />
      </td>
      <td className="run-id">
        <Link to={pathOfRun(run.id)}>{run.id}</Link>
        {run.pending !== "" && <span className="faint"> {run.pending}</span>}
      </td>
      <td>{run.workflow}</td>
      <td className="number">{count(run.version)}</td>
      <td className="number">{took}</td>
      <td className="number" title={run.startedAt === null ? "" : instant(run.startedAt)}>
        {started}
      </td>
    </tr>
  );
});

/** Up and down lead from run to run. */
function moveFocus(event: KeyboardEvent<HTMLTableElement>): void {
  const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (by === 0 || !(event.target instanceof HTMLAnchorElement)) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLAnchorElement>("tbody a")];
  const next = links[links.indexOf(event.target) + by];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}
