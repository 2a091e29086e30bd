// How states look: a tone (colour and sign) for each status of runs and steps. A status that a later
// release invents is shown by its name, in the tone of what goes on.

export type Tone = "done" | "active" | "waiting" | "failed" | "paused" | "idle" | "none";

const TONES: Record<string, Tone> = {
  completed: "done",
  compensated: "done",
  failed: "failed",
  timed_out: "failed",
  compensation_failed: "failed",
  parked: "failed",
  running: "active",
  dispatched: "active",
  calling: "active",
  compensating: "active",
  looping: "active",
  mapping: "active",
  entered: "active",
  closing: "active",
  recalled: "active",
  ready: "waiting",
  pending: "waiting",
  waiting: "waiting",
  retrying: "waiting",
  deferred: "waiting",
  settling: "waiting",
  paused: "paused",
  skipped: "idle",
  cancelled: "idle",
  "": "none",
};

export function toneOf(status: string): Tone {
  return TONES[status] ?? "active";
}

const ENDS = new Set([
  "completed",
  "failed",
  "cancelled",
  "timed_out",
  "compensated",
  "compensation_failed",
]);

export function isOver(status: string): boolean {
  return ENDS.has(status);
}

/** As people read it: `timed_out` → "timed out". */
export function statusText(status: string): string {
  return status === "" ? "not reached" : status.replaceAll("_", " ");
}

/** What an event is about, for its colour in the list. */
export function toneOfEvent(type: string): Tone {
  const what = type.replace(/\.v\d+$/, "");
  if (/(^run|\.)(completed|part_completed|settled)$/.test(what)) return "done";
  if (/failed|timed_out|dead_lettered|given_up/.test(what)) return "failed";
  if (/pending|retry_due|wait|deferred|settling|recalled/.test(what)) return "waiting";
  if (/paused|resumed|restored|rerun|skipped|moved|pinned|forked/.test(what)) return "paused";
  if (/cancelled|closing/.test(what)) return "idle";
  return "active";
}

/** `task.completed.v1` → "task completed". */
export function eventText(type: string): string {
  return type
    .replace(/\.v\d+$/, "")
    .replaceAll(".", " ")
    .replaceAll("_", " ");
}
