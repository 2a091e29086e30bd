// The colours of the graph at a version: of each step the instance that counts now, and what has been
// gone through.

import type { Moment, Net, StepAt } from "../api/model";
import type { Graph, GraphEdge } from "./graph";
import { compareInstances, indicesOf, staticOf } from "./instances";
import { type Tone, toneOf } from "./states";

export interface NodeMark {
  status: string;
  tone: Tone;
  step: StepAt | null;
  /** How many instances of it there have been so far, where it is in a loop. */
  times: number;
}

export interface EdgeMark {
  taken: boolean;
  tokens: number;
}

export interface Marks {
  nodes: Map<string, NodeMark>;
  edges: Map<string, EdgeMark>;
}

export function marksOf(graph: Graph, net: Net, moment: Moment | undefined): Marks {
  const present = presentOf(net, moment);
  const nodes = new Map(graph.nodes.map((node) => [node.id, markOf(node.id, present)]));
  const tokens = tokensOf(moment);
  for (const node of graph.nodes) {
    if (node.shape === "dot" || node.shape === "bar")
      nodes.set(node.id, passed(node.id, graph, nodes, moment));
  }
  const edges = graph.edges.map((edge) => [edge.id, edgeMark(edge, nodes, tokens)] as const);
  return { nodes, edges: new Map(edges) };
}

interface Present {
  newest: Map<string, StepAt>;
  times: Map<string, number>;
}

/** Of each step the instance of the present iteration; a step that this one has not reached has none. */
function presentOf(net: Net, moment: Moment | undefined): Present {
  const scopeOf = new Map(net.steps.map((step) => [step.id, step.scope]));
  const maps = new Set(net.steps.filter((step) => step.kind === "map").map((step) => step.id));
  const iteration = new Map<string, string>();
  const newest = new Map<string, StepAt>();
  const times = new Map<string, number>();
  for (const step of moment?.steps ?? []) {
    const id = staticOf(step.instance);
    if (isItem(step, id, maps, depthOf(scopeOf.get(id) ?? "", net))) continue;
    times.set(id, (times.get(id) ?? 0) + 1);
    const before = newest.get(id);
    if (before === undefined || compareInstances(step.instance, before.instance) > 0) {
      newest.set(id, step);
    }
    const scope = scopeOf.get(id) ?? "";
    const seen = iteration.get(scope);
    if (seen === undefined || compareInstances(step.instance, seen) > 0) {
      iteration.set(scope, step.instance);
    }
  }
  for (const [id, step] of newest) {
    const last = iteration.get(scopeOf.get(id) ?? "");
    if (last !== undefined && compareInstances(step.instance, last) < 0) newest.delete(id);
  }
  return { newest, times };
}

/** Items of a map have one index more than the map itself. */
function isItem(step: StepAt, id: string, maps: ReadonlySet<string>, depth: number): boolean {
  return maps.has(id) && indicesOf(step.instance).length > depth;
}

function depthOf(scope: string, net: Net): number {
  let depth = 0;
  let at: string | null = scope;
  while (at !== null && at !== "") {
    const found = net.scopes.find((one) => one.id === at);
    if (found === undefined) break;
    depth += found.repeats ? 1 : 0;
    at = found.parent;
  }
  return depth;
}

function markOf(id: string, present: Present): NodeMark {
  const step = present.newest.get(id) ?? null;
  const status = step?.status ?? "";
  return { status, tone: toneOf(status), step, times: present.times.get(id) ?? 0 };
}

/** A join, a beginning or an end has no state of its own: it is passed once what follows is reached. */
function passed(
  id: string,
  graph: Graph,
  nodes: ReadonlyMap<string, NodeMark>,
  moment: Moment | undefined,
): NodeMark {
  const outgoing = graph.edges.filter((edge) => edge.source === id);
  const isLast = outgoing.length === 0;
  const is = isLast
    ? moment?.status === "completed"
    : outgoing.some((edge) => wasReached(nodes.get(edge.target)));
  const status = is ? "completed" : "";
  return { status, tone: toneOf(status), step: null, times: 0 };
}

function wasReached(mark: NodeMark | undefined): boolean {
  return mark !== undefined && mark.tone !== "none" && mark.status !== "skipped";
}

function tokensOf(moment: Moment | undefined): Map<string, number> {
  const tokens = new Map<string, number>();
  for (const [arc, number] of Object.entries(moment?.marking ?? {})) {
    const id = staticOf(arc);
    tokens.set(id, (tokens.get(id) ?? 0) + number);
  }
  return tokens;
}

function edgeMark(
  edge: GraphEdge,
  nodes: ReadonlyMap<string, NodeMark>,
  tokens: ReadonlyMap<string, number>,
): EdgeMark {
  const source = nodes.get(edge.source);
  const target = nodes.get(edge.target);
  const left =
    source?.status === "completed" || (edge.kind === "error" && source?.tone === "failed");
  const waiting = edge.arcs.reduce((sum, arc) => sum + (tokens.get(arc) ?? 0), 0);
  return { taken: waiting > 0 || (left && wasReached(target)), tokens: waiting };
}
