// The net of a definition as it is stored, and as the console reads it.

import type { Arc, Net, Step } from "./model";

interface StoredAction {
  type: string;
  task?: string;
  workflow?: string;
  closes?: string;
  kind?: string;
  body?: { task?: string };
}

interface StoredStep {
  id: string;
  action: StoredAction;
  name?: string;
  scope?: string;
  join?: "all" | "any";
}

interface StoredArc {
  id: string;
  source: string;
  target: string;
  kind?: string;
  when?: string;
}

interface StoredScope {
  id: string;
  parent?: string | null;
  repeats?: boolean;
}

/** What equals its default is not stored. */
export interface StoredNet {
  steps: StoredStep[];
  arcs: StoredArc[];
  scopes?: StoredScope[];
}

export function netOf(stored: StoredNet): Net {
  return {
    steps: stored.steps.map(stepOf),
    arcs: stored.arcs.map(arcOf),
    scopes: (stored.scopes ?? [{ id: "" }]).map(({ id, parent = null, repeats = false }) => ({
      id,
      parent,
      repeats,
    })),
  };
}

function stepOf(stored: StoredStep): Step {
  const { id, action, name = "", scope = "", join = "all" } = stored;
  const does = action.task ?? action.workflow ?? action.body?.task ?? "";
  const kind = action.type === "loop" ? (action.kind ?? "loop") : action.type;
  return { id, name, scope, kind, does, join, closes: action.closes ?? "" };
}

function arcOf(stored: StoredArc): Arc {
  const { id, source, target, kind = "normal", when = "" } = stored;
  return { id, source, target, kind, when };
}
