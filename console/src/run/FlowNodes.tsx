import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import { Link } from "../app/Link";
import { pathOfRun } from "../app/router";
import { count, duration } from "../logic/format";
import type { NodeMark } from "../logic/marks";
import { statusText } from "../logic/states";
import { Icon, StateIcon } from "../ui/Icon";

export type StepData = {
  label: string;
  kind: string;
  does: string;
  mark: NodeMark;
  title: string;
  isChosen: boolean;
};

type Props = NodeProps<Node<StepData>>;

/** The drawing wants to know where arcs begin and end; ours know that from the layout. */
function Ends() {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

const Card = memo(function Card({ data }: Props) {
  const { label, kind, does, mark, title, isChosen } = data;
  const items = mark.step?.items ?? null;
  return (
    <div
      className="card"
      data-tone={mark.tone}
      data-status={mark.status}
      data-chosen={isChosen}
      title={title}
    >
      <Ends />
      <StateIcon tone={mark.tone} />
      <div className="card-text">
        <span className="card-name">
          {label}
          {mark.times > 1 && <span className="card-times">×{mark.times}</span>}
        </span>
        <span className="card-note">{noteOf(kind, does, mark)}</span>
      </div>
      {mark.step !== null && mark.step.child !== "" && (
        <Link to={pathOfRun(mark.step.child)} className="child-link nodrag nopan">
          <span className="hidden-text">child run {mark.step.child}</span>
          <Icon name="open" />
        </Link>
      )}
      {items !== null && items.count > 0 && (
        <div className="card-progress" aria-hidden="true">
          <i className="is-done" style={{ width: `${(100 * items.completed) / items.count}%` }} />
          <i className="is-failed" style={{ width: `${(100 * items.failed) / items.count}%` }} />
          <i className="is-open" style={{ width: `${(100 * items.open) / items.count}%` }} />
        </div>
      )}
    </div>
  );
});

function noteOf(kind: string, does: string, mark: NodeMark): string {
  const step = mark.step;
  if (step === null) return does || kind;
  if (step.items !== null) {
    const over = count(step.items.completed + step.items.failed);
    return `${over} of ${count(step.items.count)} items`;
  }
  if (mark.tone === "failed" && step.note !== "") return step.note;
  if (step.attempt > 1) return `${statusText(mark.status)}, attempt ${step.attempt}`;
  if (step.startedAt !== null && step.endedAt !== null && kind !== "set") {
    return `${does || kind} · ${duration(step.endedAt - step.startedAt)}`;
  }
  return mark.tone === "done" ? does || kind : statusText(mark.status);
}

const Choice = memo(function Choice({ data }: Props) {
  const { label, mark, title, isChosen } = data;
  return (
    <div
      className="choice"
      data-tone={mark.tone}
      data-status={mark.status}
      data-chosen={isChosen}
      title={title}
    >
      <Ends />
      <StateIcon tone={mark.tone} />
      <span className="card-name">{label}</span>
    </div>
  );
});

const Box = memo(function Box({ data }: Props) {
  const { label, kind, mark, title, isChosen } = data;
  const note = mark.step?.note ?? "";
  return (
    <div
      className="box"
      data-tone={mark.tone}
      data-status={mark.status}
      data-chosen={isChosen}
      title={title}
    >
      <Ends />
      <div className="box-head">
        <StateIcon tone={mark.tone} />
        <span className="card-name">{label}</span>
        <span className="card-note">{note || kind.replaceAll("_", " ")}</span>
      </div>
    </div>
  );
});

const Dot = memo(function Dot({ data }: Props) {
  return (
    <div className={`dot dot-${data.kind}`} data-tone={data.mark.tone}>
      <Ends />
    </div>
  );
});

const Bar = memo(function Bar({ data }: Props) {
  return (
    <div className="join" data-tone={data.mark.tone}>
      <Ends />
    </div>
  );
});

export const nodeTypes = { card: Card, choice: Choice, box: Box, dot: Dot, bar: Bar };
