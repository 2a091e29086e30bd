// From what the API answers to what the console shows.

import { statusText } from "../logic/states";
import type {
  Change,
  Items,
  Moment,
  Origin,
  Reason,
  Run,
  RunDetail,
  RunEvent,
  StepAt,
  Tie,
} from "./model";
import type {
  WireChange,
  WireEvent,
  WireLink,
  WireMoment,
  WireOrigin,
  WireReason,
  WireRow,
  WireRun,
  WireStep,
  WireTask,
} from "./wire";

export function runOf(row: WireRow): Run {
  const over = row.outstanding === 0 && row.ready === 0 && row.calls === 0;
  return {
    id: row.run_id,
    workflow: row.workflow,
    workflowVersion: row.workflow_version,
    status: row.status,
    version: row.version,
    startedAt: row.started_at || null,
    endedAt: isEnded(row.status) ? row.updated_at : null,
    pending: over ? "" : pendingOf(row),
  };
}

const ENDED = /^(completed|failed|cancelled|timed_out|compensated|compensation_failed)$/;

function isEnded(status: string): boolean {
  return ENDED.test(status);
}

function pendingOf(row: WireRow): string {
  const parts = [
    [row.outstanding, "under way"],
    [row.ready, "to be placed"],
    [row.calls, "child runs"],
  ] as const;
  return parts
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${number} ${what}`)
    .join(", ");
}

export function detailOf(run: WireRun): RunDetail {
  return {
    id: run.run_id,
    workflow: run.workflow,
    workflowVersion: run.workflow_version,
    status: run.status,
    version: run.version,
    startedAt: run.started_at ?? null,
    endedAt: run.ended_at ?? null,
    pending: run.pending ?? "",
    error: run.error ?? null,
  };
}

export function eventOf(event: WireEvent): RunEvent {
  const step = event.data.step;
  return {
    version: event.version,
    at: event.recorded_at,
    type: event.type,
    actor: event.actor,
    step: typeof step === "string" ? step : "",
    data: event.corrupt ? { corrupt: event.corrupt } : event.data,
  };
}

export function reasonOf(wire: WireReason): Reason {
  const effects = (wire.effects ?? []).map(tieOf);
  return {
    sentence: wire.sentence,
    causes: (wire.causes ?? []).map(tieOf),
    effects,
    more: Math.max(0, (wire.effects_count ?? 0) - effects.length),
  };
}

function tieOf(link: WireLink): Tie {
  const { version, type, sentence } = link;
  return { version, type, sentence, run: link.run_id ?? "", step: link.step ?? "" };
}

export function changeOf(wire: WireChange): Change {
  const { path, kind } = wire;
  return { path, kind, before: wire.before ?? null, after: wire.after ?? null };
}

export function momentOf(wire: WireMoment): Moment {
  const steps = [...(wire.steps ?? []), ...(wire.tasks ?? [])];
  return {
    version: wire.version,
    at: wire.at ?? 0,
    type: wire.event ?? "",
    status: wire.status,
    steps: steps.map(stepOf),
    marking: Object.fromEntries((wire.marking ?? []).map((one) => [one.arc, one.count])),
    variables: Object.entries(wire.variables ?? {}).map(([name, one]) => ({
      name,
      value: one.value ?? null,
      setBy: one.version ?? 0,
    })),
    origin: originOf(wire.origin),
    input: wire.input ?? null,
    output: wire.output ?? null,
    error: wire.failure
      ? {
          code: wire.failure.code,
          message: wire.failure.message ?? "",
          step: wire.failed_step ?? "",
        }
      : null,
    waits: (wire.waits ?? []).map((one) => ({
      kind: one.kind,
      of: [one.step, one.name].filter(Boolean).join(" · "),
      until: one.due_at ?? null,
    })),
  };
}

function originOf(wire: WireOrigin | undefined): Origin | null {
  if (wire?.kind === undefined || wire.kind === "request" || !wire.run_id) return null;
  return { kind: wire.kind, run: wire.run_id, step: wire.step ?? "", version: wire.version ?? 0 };
}

/** Before its first event a run is nothing yet. */
export function momentBefore(): Moment {
  return {
    version: 0,
    at: 0,
    type: "",
    status: "pending",
    steps: [],
    marking: {},
    variables: [],
    origin: null,
    input: null,
    output: null,
    error: null,
    waits: [],
  };
}

function stepOf(step: WireStep | WireTask): StepAt {
  const attempts = "attempts" in step ? (step.attempts ?? []) : [];
  const newest = attempts.at(-1);
  return {
    instance: step.name,
    status: step.status,
    attempt: newest?.number ?? 0,
    node: newest?.node ?? "",
    startedAt: step.started_at ?? null,
    endedAt: step.ended_at ?? null,
    note: noteOf(step),
    child: step.run_id ?? "",
    items: itemsOf(step),
  };
}

function itemsOf(step: WireStep): Items | null {
  if (!step.map) return null;
  const { count, completed = 0, failed = 0, open = 0 } = step.map;
  return { count, completed, failed, open };
}

function noteOf(step: WireStep | WireTask): string {
  if (step.failure) return [step.failure.code, step.failure.message].filter(Boolean).join(": ");
  if ("obstacle" in step && step.obstacle) return statusText(step.obstacle);
  if (typeof step.iteration === "number") return `iteration ${step.iteration}`;
  return "";
}
