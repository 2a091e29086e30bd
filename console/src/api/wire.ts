// What the API answers, as far as the console reads it. A test of the server compares this with what it
// answers (tests/unit/api/test_console_types.py).

import type { Json } from "./model";
import type { StoredNet } from "./nets";

export interface WirePage<T> {
  items: T[];
  next: string | null;
}

export interface WireRow {
  run_id: string;
  workflow: string;
  workflow_version: string;
  status: string;
  version: number;
  outstanding: number;
  ready: number;
  calls: number;
  parent: string;
  started_at: number;
  updated_at: number;
  next_due_at: number | null;
}

export interface WireError {
  code: string;
  message: string;
  step: string;
}

export interface WireRun {
  run_id: string;
  workflow: string;
  workflow_version: string;
  version: number;
  status: string;
  error: WireError | null;
  started_at: number | null;
  ended_at: number | null;
  pending?: string;
}

export interface WireEvent {
  version: number;
  type: string;
  recorded_at: number;
  actor: string;
  data: { [key: string]: Json };
  corrupt: string;
}

export interface WireLink {
  version: number;
  type: string;
  sentence: string;
  run_id?: string;
  step?: string;
}

export interface WireReason {
  sentence: string;
  causes?: WireLink[];
  effects?: WireLink[];
  effects_count?: number;
}

export interface WireChange {
  path: string;
  kind: "added" | "removed" | "changed";
  before?: Json;
  after?: Json;
}

export interface WireWorkflowRow {
  workflow: string;
}

export interface WireWorkflow {
  workflow: string;
  workflow_version: string;
  net: StoredNet;
}

interface WireFailure {
  code: string;
  message?: string;
}

export interface WireMap {
  count: number;
  open?: number;
  completed?: number;
  failed?: number;
}

export interface WireStep {
  name: string;
  status: string;
  kind?: string;
  started_at?: number | null;
  ended_at?: number | null;
  failure?: WireFailure | null;
  iteration?: number | null;
  map?: WireMap | null;
  run_id?: string;
}

export interface WireAttempt {
  number: number;
  node: string;
}

export interface WireTask extends WireStep {
  task?: string;
  attempts?: WireAttempt[];
  next_attempt_at?: number | null;
  obstacle?: string;
}

export interface WireToken {
  arc: string;
  count: number;
}

export interface WireVariable {
  value: Json;
  version?: number;
}

export interface WireWait {
  kind: string;
  step?: string;
  name?: string;
  due_at?: number | null;
}

export interface WireOrigin {
  kind?: "request" | "parent" | "fork";
  run_id?: string;
  step?: string;
  version?: number;
}

/** What equals its default is left out. */
export interface WireMoment {
  run_id: string;
  version: number;
  last: number;
  status: string;
  at?: number;
  event?: string;
  input?: Json;
  output?: Json;
  origin?: WireOrigin;
  failure?: WireFailure | null;
  failed_step?: string;
  marking?: WireToken[];
  variables?: { [name: string]: WireVariable };
  steps?: WireStep[];
  tasks?: WireTask[];
  waits?: WireWait[];
}

export interface WireNews {
  id: string;
  run: WireRow;
}

export interface WireEventNews {
  id: string;
  event: WireEvent;
}
