// What the console shows, in its own words; `api/` makes it from what the API answers. Instants are
// microseconds since the epoch, UTC, as everywhere in Dal Segno.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Run {
  id: string;
  workflow: string;
  workflowVersion: string;
  status: string;
  version: number;
  startedAt: number | null;
  endedAt: number | null;
  pending: string;
}

export interface RunError {
  code: string;
  message: string;
  step: string;
}

export interface RunDetail extends Run {
  error: RunError | null;
}

export interface Step {
  id: string;
  /** What the author called it; empty for steps that only the compiler knows. */
  name: string;
  scope: string;
  kind: string;
  /** What a task does, what a call calls; empty for other steps. */
  does: string;
  /** How many incoming tokens a step takes: a join of a parallel takes all of them. */
  join: "all" | "any";
  closes: string;
}

export interface Arc {
  id: string;
  source: string;
  target: string;
  kind: string;
  when: string;
}

export interface Scope {
  id: string;
  parent: string | null;
  repeats: boolean;
}

export interface Net {
  steps: Step[];
  arcs: Arc[];
  scopes: Scope[];
}

/** A run's event. `data` is its fact as stored. */
export interface RunEvent {
  version: number;
  at: number;
  type: string;
  actor: string;
  step: string;
  data: { [key: string]: Json };
}

/** An event that another one came from or led to; of another run where `run` is given. */
export interface Tie {
  version: number;
  type: string;
  run: string;
  step: string;
  sentence: string;
}

/** Why an event came about. `more`: how many effects are not among those told. */
export interface Reason {
  sentence: string;
  causes: Tie[];
  effects: Tie[];
  more: number;
}

/** What an event changed in the state; null where there was, or is, nothing. */
export interface Change {
  path: string;
  kind: "added" | "removed" | "changed";
  before: Json;
  after: Json;
}

/** Of a map: its items. */
export interface Items {
  count: number;
  completed: number;
  failed: number;
  open: number;
}

/** One instance of a step at a version: `parse[3]` is the fourth iteration's `parse`. */
export interface StepAt {
  instance: string;
  status: string;
  attempt: number;
  node: string;
  startedAt: number | null;
  endedAt: number | null;
  /** What it waits for, how far it is, or why it failed. */
  note: string;
  /** Its child run, or empty. */
  child: string;
  items: Items | null;
}

export interface Variable {
  name: string;
  value: Json;
  /** The version of the event that last set it; 0 where that is not known. */
  setBy: number;
}

export interface Wait {
  kind: string;
  of: string;
  until: number | null;
}

/** Where a run comes from, when not from somebody's request. */
export interface Origin {
  kind: "parent" | "fork";
  run: string;
  step: string;
  version: number;
}

/** The state of a run right after one of its events. */
export interface Moment {
  version: number;
  at: number;
  type: string;
  status: string;
  steps: StepAt[];
  /** Arc instance → tokens that wait there. */
  marking: { [arc: string]: number };
  variables: Variable[];
  origin: Origin | null;
  input: Json;
  output: Json;
  error: RunError | null;
  waits: Wait[];
}
