import type { Connection } from "../api/feed";
import type { Origin, RunDetail } from "../api/model";
import { Link } from "../app/Link";
import { pathOfRun } from "../app/router";
import { count, duration, instant } from "../logic/format";
import { isOver } from "../logic/states";
import { searchOf } from "../logic/versions";
import { Badge } from "../ui/Badge";
import { Live } from "../ui/Live";
import { useNow } from "../ui/useNow";

interface Props {
  run: RunDetail;
  connection: Connection;
  last: number;
  origin: Origin | null;
}

export function RunHead({ run, connection, last, origin }: Props) {
  return (
    <div className="run-head">
      <nav aria-label="Breadcrumb" className="crumbs">
        <Link to="/">Runs</Link>
        <span aria-hidden="true">/</span>
        <Link to={`/?workflow=${encodeURIComponent(run.workflow)}`}>{run.workflow}</Link>
        {origin !== null && <From origin={origin} />}
      </nav>
      <Trouble run={run} />
      <h1 className="mono">{run.id}</h1>
      <Badge status={run.status} />
      {!isOver(run.status) && <Live connection={connection} />}
      <dl className="facts">
        <Fact name="Started" value={run.startedAt === null ? "–" : instant(run.startedAt)} />
        <Fact name="Took" value={<Took run={run} />} />
        <Fact name="Events" value={count(last)} />
        <Fact
          name="Definition"
          value={<span className="mono">{run.workflowVersion.slice(0, 8)}</span>}
        />
      </dl>
    </div>
  );
}

/** The run that called this one, or that it was forked from. */
function From({ origin }: { origin: Origin }) {
  const { kind, run, step, version } = origin;
  const at = kind === "fork" ? searchOf({ at: version }) : "";
  return (
    <span className="origin">
      {kind === "fork" ? "forked from " : "called by "}
      <Link to={pathOfRun(run) + at}>{run}</Link>
      {kind === "fork" ? ` at ${count(version)}` : step !== "" && `, step ${step}`}
    </span>
  );
}

/** In a place that is always there, so that nothing moves when a run fails. */
function Trouble({ run }: { run: RunDetail }) {
  const { error, pending } = run;
  if (error === null) return <p className="trouble">{pending}</p>;
  const text = `${error.code}${error.step && ` in ${error.step}`}${error.message && `: ${error.message}`}`;
  return (
    <p className="trouble" data-tone="failed" title={text}>
      <strong className="mono">{error.code}</strong>
      {error.step !== "" && <> in {error.step}</>}
      {error.message !== "" && <>: {error.message}</>}
    </p>
  );
}

function Fact({ name, value }: { name: string; value: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Took({ run }: { run: RunDetail }) {
  const now = useNow(1_000);
  if (run.startedAt === null) return "–";
  if (run.endedAt !== null) return duration(run.endedAt - run.startedAt);
  const seconds = Math.max(0, Math.floor((now - run.startedAt) / 1_000_000));
  return duration(seconds * 1_000_000);
}
