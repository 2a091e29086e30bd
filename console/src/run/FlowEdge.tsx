import { BaseEdge, type Edge, EdgeLabelRenderer, type EdgeProps } from "@xyflow/react";
import { memo } from "react";
import { middleOf, type Point, pathOf } from "../logic/layout";

export type FlowEdgeData = {
  points: Point[];
  kind: string;
  label: string;
  /** Where the label has its middle. */
  at: Point | null;
  when: string;
  taken: boolean;
  tokens: number;
};

/** An arc along the way that the layout found for it, with its condition and the tokens on it. */
export const FlowEdge = memo(function FlowEdge({ id, data }: EdgeProps<Edge<FlowEdgeData>>) {
  if (data === undefined) return null;
  const { points, kind, label, when, taken, tokens } = data;
  const middle = data.at ?? middleOf(points);
  const end = points.at(-1);
  return (
    <>
      <BaseEdge id={id} path={pathOf(points)} className={`arc arc-${kind}`} data-taken={taken} />
      {end !== undefined && (
        <path className="arc-head" data-taken={taken} data-kind={kind} d={headOf(points)} />
      )}
      {(label !== "" || tokens > 0) && (
        <EdgeLabelRenderer>
          <span
            className="arc-label"
            data-taken={taken}
            title={when}
            style={{ transform: `translate(-50%, -50%) translate(${middle.x}px, ${middle.y}px)` }}
          >
            {tokens > 0 && <b className="token">{tokens}</b>}
            {label}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  );
});

function headOf(points: readonly Point[]): string {
  const end = points.at(-1);
  const before = points.at(-2);
  if (end === undefined || before === undefined) return "";
  const length = Math.hypot(end.x - before.x, end.y - before.y) || 1;
  const [dx, dy] = [(end.x - before.x) / length, (end.y - before.y) / length];
  const [bx, by] = [end.x - dx * 7, end.y - dy * 7];
  return `M${end.x},${end.y}L${bx - dy * 4},${by + dx * 4}L${bx + dy * 4},${by - dx * 4}Z`;
}
