// Where the graph's parts lie. The engine is handed in: in the page it is elkjs in a worker, so a
// large graph does not hold the page up; a layout depends on the net alone, so no version moves it.

import type { ElkExtendedEdge, ElkLabel, ElkNode, LayoutOptions } from "elkjs/lib/elk-api";
import type { Graph, GraphEdge, GraphNode, Shape } from "./graph";

export interface Point {
  x: number;
  y: number;
}

export interface Placed extends Point {
  width: number;
  height: number;
}

export interface Layout {
  nodes: Map<string, Placed>;
  /** Of each edge the corners from its source to its target. */
  edges: Map<string, Point[]>;
  /** Of each edge that is labelled the middle of its label. */
  labels: Map<string, Point>;
  width: number;
  height: number;
}

export interface Engine {
  layout(graph: ElkNode): Promise<ElkNode>;
}

const SIZES: Record<Shape, { width: number; height: number }> = {
  card: { width: 188, height: 58 },
  choice: { width: 148, height: 40 },
  bar: { width: 10, height: 46 },
  dot: { width: 20, height: 20 },
  box: { width: 220, height: 120 },
};

/** A long chain is laid in lines, one below the other, as music is. */
const WRAPPED_FROM = 9;

export const LABEL_CHARS = 22;
const LABEL = { char: 6.7, around: 14, height: 18 };

/** What stands on an arc, as far as there is room. */
export function labelOf(edge: GraphEdge): string {
  if (edge.kind === "default") return "else";
  if (edge.kind === "error") return "on error";
  const text = edge.kind === "conditional" ? edge.when : "";
  return text.length > LABEL_CHARS ? `${text.slice(0, LABEL_CHARS - 1)}…` : text;
}

export async function layoutOf(graph: Graph, engine: Engine, ratio: number): Promise<Layout> {
  const done = await engine.layout(elkGraph(graph, ratio));
  const nodes = new Map<string, Placed>();
  collect(done, nodes);
  const edges = new Map<string, Point[]>();
  const labels = new Map<string, Point>();
  for (const edge of done.edges ?? []) {
    edges.set(edge.id, corners(edge));
    const { x = 0, y = 0, width = 0, height = 0 } = edge.labels?.[0] ?? {};
    if (width > 0) labels.set(edge.id, { x: x + width / 2, y: y + height / 2 });
  }
  return { nodes, edges, labels, width: done.width ?? 0, height: done.height ?? 0 };
}

export function elkGraph(graph: Graph, ratio: number): ElkNode {
  return {
    id: "",
    layoutOptions: options(graph, ratio),
    children: within(graph, null),
    edges: graph.edges.map((edge) => ({
      id: edge.id,
      sources: [edge.source],
      targets: [edge.target],
      labels: labelsOf(edge),
      layoutOptions: { "elk.layered.priority.straightness": edge.kind === "error" ? "1" : "10" },
    })),
  };
}

function labelsOf(edge: GraphEdge): ElkLabel[] {
  const text = labelOf(edge);
  if (text === "") return [];
  const width = Math.round(text.length * LABEL.char + LABEL.around);
  return [{ text, width, height: LABEL.height }];
}

/** One step after the other, and nothing else. */
function isChain(graph: Graph): boolean {
  const ends = [graph.edges.map((edge) => edge.source), graph.edges.map((edge) => edge.target)];
  const isFlat = graph.nodes.every((node) => node.parent === null);
  return isFlat && ends.every((ids) => new Set(ids).size === ids.length);
}

function options(graph: Graph, ratio: number): LayoutOptions {
  const wraps = graph.nodes.length >= WRAPPED_FROM && isChain(graph);
  return {
    "elk.algorithm": "layered",
    "elk.direction": "RIGHT",
    "elk.edgeRouting": "ORTHOGONAL",
    "elk.hierarchyHandling": "INCLUDE_CHILDREN",
    "elk.json.edgeCoords": "ROOT",
    "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
    "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
    "elk.layered.nodePlacement.favorStraightEdges": "true",
    "elk.layered.spacing.nodeNodeBetweenLayers": "44",
    "elk.layered.spacing.edgeNodeBetweenLayers": "18",
    "elk.spacing.nodeNode": "22",
    "elk.spacing.edgeNode": "18",
    "elk.spacing.edgeEdge": "12",
    "elk.spacing.edgeLabel": "3",
    "elk.edgeLabels.inline": "true",
    "elk.padding": "[top=12,left=12,bottom=12,right=12]",
    "elk.aspectRatio": String(ratio),
    ...(wraps
      ? {
          "elk.layered.wrapping.strategy": "MULTI_EDGE",
          "elk.layered.wrapping.additionalEdgeSpacing": "18",
          "elk.layered.wrapping.correctionFactor": "1.0",
        }
      : {}),
  };
}

function within(graph: Graph, parent: string | null): ElkNode[] {
  return graph.nodes
    .filter((node) => node.parent === parent)
    .map((node) => ({ id: node.id, ...boxOf(graph, node) }));
}

function boxOf(graph: Graph, node: GraphNode): Omit<ElkNode, "id"> {
  const children = node.shape === "box" ? within(graph, node.id) : [];
  if (children.length === 0) return SIZES[node.shape];
  return {
    children,
    layoutOptions: {
      "elk.padding": "[top=46,left=18,bottom=18,right=18]",
      "elk.nodeSize.constraints": "MINIMUM_SIZE",
      "elk.nodeSize.minimum": "(220,100)",
    },
  };
}

/** Places are relative to the box that a node is in, which is how they are drawn too. */
function collect(node: ElkNode, into: Map<string, Placed>): void {
  for (const child of node.children ?? []) {
    const { id, x = 0, y = 0, width = 0, height = 0 } = child;
    into.set(id, { x, y, width, height });
    collect(child, into);
  }
}

function corners(edge: ElkExtendedEdge): Point[] {
  return (edge.sections ?? []).flatMap((section) => [
    section.startPoint,
    ...(section.bendPoints ?? []),
    section.endPoint,
  ]);
}

/** A line through the corners as an SVG path, with its corners rounded. */
export function pathOf(points: readonly Point[], radius = 8): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let path = `M${first.x},${first.y}`;
  rest.forEach((corner, index) => {
    const next = rest[index + 1];
    const before = points[index];
    if (next === undefined || before === undefined) {
      path += `L${corner.x},${corner.y}`;
      return;
    }
    const r = Math.min(radius, distance(before, corner) / 2, distance(corner, next) / 2);
    const [into, out] = [towards(corner, before, r), towards(corner, next, r)];
    path += `L${into.x},${into.y}Q${corner.x},${corner.y} ${out.x},${out.y}`;
  });
  return path;
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function towards(from: Point, to: Point, by: number): Point {
  const length = distance(from, to) || 1;
  return {
    x: from.x + ((to.x - from.x) * by) / length,
    y: from.y + ((to.y - from.y) * by) / length,
  };
}

/** The middle of the longest straight piece: where a label disturbs least. */
export function middleOf(points: readonly Point[]): Point {
  let best: Point = points[0] ?? { x: 0, y: 0 };
  let longest = -1;
  points.slice(1).forEach((point, index) => {
    const before = points[index] ?? point;
    const length = distance(before, point);
    if (length > longest) {
      longest = length;
      best = { x: (before.x + point.x) / 2, y: (before.y + point.y) / 2 };
    }
  });
  return best;
}
