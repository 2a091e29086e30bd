import {
  type Edge,
  type Node,
  type NodeMouseHandler,
  ReactFlow,
  ReactFlowProvider,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef } from "react";
import type { Moment, Net } from "../api/model";
import { type Graph, graphOf } from "../logic/graph";
import { type Layout, labelOf, layoutOf } from "../logic/layout";
import { type Marks, marksOf } from "../logic/marks";
import { statusText } from "../logic/states";
import { ErrorNotice, Loading } from "../ui/Notice";
import { elk } from "./elk";
import { FlowEdge, type FlowEdgeData } from "./FlowEdge";
import { nodeTypes, type StepData } from "./FlowNodes";
import { View } from "./View";

interface Props {
  net: Net | undefined;
  error: Error | null;
  moment: Moment | undefined;
  /** The step that the event at this version is about; empty for none. */
  focus: string;
  chosen: string | null;
  choose(step: string | null): void;
}

const edgeTypes = { flow: FlowEdge };

export function GraphPane({ net, error, ...rest }: Props) {
  return (
    <section className="pane pane-graph" aria-label="Graph">
      {net !== undefined ? (
        <ReactFlowProvider>
          <Drawing net={net} {...rest} />
        </ReactFlowProvider>
      ) : error !== null ? (
        <ErrorNotice error={error} />
      ) : (
        <Loading rows={4} label="Reading the definition" />
      )}
    </section>
  );
}

type DrawingProps = Omit<Props, "net" | "error"> & { net: Net };

function Drawing({ net, moment, focus, chosen, choose }: DrawingProps) {
  const graph = useMemo(() => graphOf(net), [net]);
  const box = useRef<HTMLDivElement>(null);
  const layout = useQuery({
    queryKey: ["layout", JSON.stringify(graph.edges.map((edge) => edge.id)), graph.nodes.length],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => layoutOf(graph, elk(), ratioOf(box.current)),
  });
  const marks = useMemo(() => marksOf(graph, net, moment), [graph, net, moment]);
  const placed = layout.data;
  const nodes = useKept(
    useMemo(
      () => (placed ? nodesOf(graph, placed, marks, chosen) : []),
      [graph, placed, marks, chosen],
    ),
  );
  const edges = useKept(
    useMemo(() => (placed ? edgesOf(graph, placed, marks) : []), [graph, placed, marks]),
  );
  const pick: NodeMouseHandler<Node<StepData>> = (_, node) =>
    choose(node.data.label ? node.id : null);
  return (
    <div className="drawing" ref={box}>
      {layout.isError && <ErrorNotice error={layout.error} />}
      {placed === undefined && !layout.isError && <Loading rows={4} label="Drawing the graph" />}
      {placed !== undefined && (
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={nodeTypes}
          edgeTypes={edgeTypes}
          onNodeClick={pick}
          onPaneClick={() => choose(null)}
          nodesDraggable={false}
          nodesConnectable={false}
          edgesFocusable={false}
          nodesFocusable={false}
          elementsSelectable={false}
          minZoom={0.1}
          maxZoom={1.5}
          zoomOnDoubleClick={false}
          panOnScroll
          zoomOnScroll={false}
        >
          <View box={box} layout={placed} graph={graph} marks={marks} focus={focus} />
        </ReactFlow>
      )}
    </div>
  );
}

/** Of what is as it was before, the same objects: of hundreds of steps an event moves a few. */
function useKept<T extends { id: string }>(made: T[]): T[] {
  const kept = useRef(new Map<string, { text: string; one: T }>());
  return useMemo(() => {
    const fresh = made.map((one) => {
      const text = JSON.stringify(one);
      const before = kept.current.get(one.id);
      return before?.text === text ? before : { text, one };
    });
    kept.current = new Map(fresh.map((each) => [each.one.id, each]));
    return fresh.map((each) => each.one);
  }, [made]);
}

function ratioOf(box: HTMLElement | null): number {
  if (box === null || box.clientHeight === 0) return 1.6;
  return Math.max(0.6, box.clientWidth / box.clientHeight);
}

function nodesOf(
  graph: Graph,
  layout: Layout,
  marks: Marks,
  chosen: string | null,
): Node<StepData>[] {
  return boxesFirst(graph).flatMap((node) => {
    const place = layout.nodes.get(node.id);
    const mark = marks.nodes.get(node.id);
    if (place === undefined || mark === undefined) return [];
    const { label, kind, does } = node;
    const title = label === "" ? "" : `${label}, ${kind}, ${statusText(mark.status)}`;
    return [
      {
        id: node.id,
        type: node.shape,
        position: { x: place.x, y: place.y },
        width: place.width,
        height: place.height,
        ...(node.parent === null ? {} : { parentId: node.parent }),
        data: { label, kind, does, mark, title, isChosen: node.id === chosen },
      },
    ];
  });
}

/** A box before what is in it, as the drawing wants it. */
function boxesFirst(graph: Graph): Graph["nodes"] {
  const parents = new Map(graph.nodes.map((node) => [node.id, node.parent]));
  const depth = (id: string): number => {
    const parent = parents.get(id) ?? null;
    return parent === null ? 0 : 1 + depth(parent);
  };
  return [...graph.nodes].sort((a, b) => depth(a.id) - depth(b.id));
}

function edgesOf(graph: Graph, layout: Layout, marks: Marks): Edge<FlowEdgeData>[] {
  return graph.edges.map((edge) => {
    const mark = marks.edges.get(edge.id) ?? { taken: false, tokens: 0 };
    return {
      id: edge.id,
      source: edge.source,
      target: edge.target,
      type: "flow",
      data: {
        points: layout.edges.get(edge.id) ?? [],
        at: layout.labels.get(edge.id) ?? null,
        label: labelOf(edge),
        kind: edge.kind,
        when: edge.when,
        ...mark,
      },
      // Over the boxes that it lies in.
      zIndex: mark.taken ? 2 : 1,
    };
  });
}
