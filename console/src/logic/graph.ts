// The net as a reader sees it. The compiler's own joins and the beginnings and ends of scopes say
// nothing to an author, so arcs lead through them; a loop and a group are boxes around their steps.

import type { Arc, Net, Step } from "../api/model";

export type Shape = "card" | "choice" | "bar" | "dot" | "box";

export interface GraphNode {
  id: string;
  label: string;
  kind: string;
  does: string;
  shape: Shape;
  /** The box that it is in. */
  parent: string | null;
}

export interface GraphEdge {
  id: string;
  source: string;
  target: string;
  kind: string;
  when: string;
  /** The arcs that it stands for, in order. */
  arcs: string[];
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

export function graphOf(net: Net): Graph {
  const parents = new Map(net.scopes.map((scope) => [scope.id, scope.parent]));
  const boxes = new Set(net.scopes.map((scope) => scope.id).filter((id) => id !== ""));
  const scopes = new Map(net.steps.map((step) => [step.id, step.scope]));
  // The join that leaves a group is the group itself, seen from outside.
  const leaves = net.steps.filter((step) => step.kind === "join" && boxes.has(step.closes));
  const alias = new Map(leaves.map((step) => [step.id, step.closes]));
  const hidden = net.steps.filter((step) => isHidden(step) && !alias.has(step.id));
  const gone = new Set([...hidden.map((step) => step.id), ...alias.keys()]);
  const arcs = net.arcs.map((arc) => edgeOf(arc, alias));
  const edges = contracted(
    arcs.filter((edge) => !isInside(edge, boxes, scopes)),
    new Set(hidden.map((step) => step.id)),
  );
  return {
    nodes: net.steps
      .filter((step) => !gone.has(step.id))
      .map((step) => nodeOf(step, boxes, parents)),
    edges: edges.filter((edge) => edge.source !== edge.target),
  };
}

/** Between a box and a step in it: being in the box says as much. */
function isInside(
  edge: GraphEdge,
  boxes: ReadonlySet<string>,
  scopes: ReadonlyMap<string, string>,
): boolean {
  const { source, target } = edge;
  return (
    (boxes.has(source) && scopes.get(target) === source) ||
    (boxes.has(target) && scopes.get(source) === target)
  );
}

function isHidden(step: Step): boolean {
  if (step.name !== "") return false;
  if (step.kind === "join") return step.join === "any";
  return (step.kind === "start" || step.kind === "end") && step.scope !== "";
}

function nodeOf(
  step: Step,
  boxes: ReadonlySet<string>,
  scopes: ReadonlyMap<string, string | null>,
): GraphNode {
  const known = step.scope !== "" && scopes.has(step.scope);
  return {
    id: step.id,
    label: step.name || labelOf(step),
    kind: step.kind,
    does: step.does,
    shape: boxes.has(step.id) ? "box" : shapeOf(step),
    parent: known ? step.scope : null,
  };
}

function labelOf(step: Step): string {
  return step.kind === "start" || step.kind === "end" || step.kind === "join" ? "" : step.id;
}

function shapeOf(step: Step): Shape {
  if (step.kind === "start" || step.kind === "end") return "dot";
  if (step.kind === "join") return "bar";
  if (step.kind === "choice" || step.kind === "split") return "choice";
  return "card";
}

function edgeOf(arc: Arc, alias: ReadonlyMap<string, string>): GraphEdge {
  const { id, source, target, kind, when } = arc;
  const from = alias.get(source) ?? source;
  return { id, source: from, target: alias.get(target) ?? target, kind, when, arcs: [id] };
}

/** Without the hidden steps: what leads to one goes on to where that one leads. */
function contracted(edges: GraphEdge[], hidden: ReadonlySet<string>): GraphEdge[] {
  let rest = edges;
  for (const step of hidden) {
    const incoming = rest.filter((edge) => edge.target === step);
    const outgoing = rest.filter((edge) => edge.source === step);
    const others = rest.filter((edge) => edge.target !== step && edge.source !== step);
    const through = incoming.flatMap((first) => outgoing.map((second) => joined(first, second)));
    rest = [...others, ...through];
  }
  return rest;
}

function joined(first: GraphEdge, second: GraphEdge): GraphEdge {
  return {
    id: `${first.id} ${second.id}`,
    source: first.source,
    target: second.target,
    kind: first.kind === "normal" ? second.kind : first.kind,
    when: first.when || second.when,
    arcs: [...first.arcs, ...second.arcs],
  };
}
