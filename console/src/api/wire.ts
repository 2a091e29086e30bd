// What the API answers, as far as the console reads it.

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

export interface WireRun {
  run_id: string;
  workflow: string;
  workflow_version: string;
  version: number;
  status: string;
  output: Json;
  error: { code: string; message: string; step: string } | null;
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

export interface WireWorkflow {
  workflow: string;
  workflow_version: string;
  net: StoredNet;
}

interface WireFailure {
  code: string;
  message?: string;
}

export interface WireStep {
  name: string;
  status: string;
  kind?: string;
  started_at?: number | null;
  ended_at?: number | null;
  failure?: WireFailure | null;
  iteration?: number | null;
  map?: {
    count: number;
    open?: number;
    completed?: number;
    failed?: number;
  } | null;
  run_id?: string;
}

export interface WireTask extends WireStep {
  task?: string;
  attempts?: { number: number; node?: string }[];
  next_attempt_at?: number | null;
  obstacle?: string;
}

/** What equals its default is left out. */
export interface WireMoment {
  run_id: string;
  version: number;
  last: number;
  status: string;
  at?: number;
  event?: string;
  output?: Json;
  failure?: WireFailure | null;
  failed_step?: string;
  marking?: { arc: string; count: number }[];
  variables?: { [name: string]: { value: Json; version?: number } };
  steps?: WireStep[];
  tasks?: WireTask[];
  waits?: { kind: string; step?: string; name?: string; due_at?: number | null }[];
}

export interface WireNews {
  id: string;
  run: WireRow;
}

export interface WireEventNews {
  id: string;
  event: WireEvent;
}
