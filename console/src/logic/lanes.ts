// The timeline: a row for each step, in it a bar for each attempt, wait, call and pause between
// attempts. Bars that overlap, such as items of a map, share the row in lanes.

import type { Json, RunEvent } from "../api/model";
import { staticOf } from "./instances";

export type BarKind = "attempt" | "wait" | "call" | "retry";

export interface Bar {
  instance: string;
  kind: BarKind;
  start: number;
  /** null: it goes on. */
  end: number | null;
  /** How it ended; empty while it goes on. */
  outcome: "" | "done" | "failed" | "cancelled";
  attempt: number;
  node: string;
  /** The child run of a call. */
  child: string;
  /** Versions of the events that begin and end it. */
  from: number;
  to: number | null;
  lane: number;
}

export interface Lane {
  step: string;
  bars: Bar[];
  lanes: number;
}

/** More than these at the same time lie above each other. */
export const LANES_MAX = 8;

export function lanesOf(events: readonly RunEvent[]): Lane[] {
  const reading = new Reading();
  for (const event of events) reading.read(event);
  const rows = new Map<string, Bar[]>();
  for (const bar of reading.bars) {
    const step = staticOf(bar.instance);
    const row = rows.get(step);
    if (row === undefined) rows.set(step, [bar]);
    else row.push(bar);
  }
  return [...rows].map(([step, bars]) => ({ step, bars, lanes: packed(bars) }));
}

/** Of each step instance that called, its newest child run, also when that is over. */
export function childrenOf(lanes: readonly Lane[]): Map<string, string> {
  const calls = lanes.flatMap((lane) => lane.bars).filter((bar) => bar.child !== "");
  return new Map(calls.map((bar) => [bar.instance, bar.child]));
}

/** How many attempts and calls there are under way right after each event, by version from 1. */
export function underWay(events: readonly RunEvent[], lanes: readonly Lane[]): number[] {
  const changes = new Map<number, number>();
  const add = (version: number, by: number) =>
    changes.set(version, (changes.get(version) ?? 0) + by);
  for (const bar of lanes.flatMap((lane) => lane.bars)) {
    if (bar.kind === "wait" || bar.kind === "retry") continue;
    add(bar.from, 1);
    if (bar.to !== null) add(bar.to, -1);
  }
  let now = 0;
  return events.map((event) => {
    now += changes.get(event.version) ?? 0;
    return now;
  });
}

type Part = { [key: string]: Json };

class Reading {
  readonly bars: Bar[] = [];
  private readonly open = new Map<string, Bar>();

  read(event: RunEvent): void {
    const step = event.step;
    switch (event.type.replace(/\.v\d+$/, "")) {
      case "task.dispatched":
        this.end(step, event, "done");
        this.begin(step, "attempt", event);
        break;
      case "task.completed":
      case "wait.ended":
      case "child.completed":
      case "map.part_completed":
        this.end(step, event, "done");
        break;
      case "attempt.failed":
        this.end(step, event, "failed");
        this.begin(step, "retry", event);
        break;
      case "child.failed":
        this.end(step, event, "failed");
        this.begin(step, "retry", event);
        break;
      case "task.retry_due":
        this.end(step, event, "done");
        break;
      case "child.called":
        this.called(event.data.call as Part | undefined, event);
        break;
      case "task.failed":
      case "task.dead_lettered":
        this.end(step, event, "failed");
        break;
      case "task.cancelled":
        this.end(step, event, "cancelled");
        break;
      case "run.completed":
      case "run.failed":
      case "run.cancelled":
      case "run.timed_out":
        for (const one of [...this.open.keys()]) this.end(one, event, "cancelled");
        break;
      default:
    }
    this.follow(event);
  }

  /** What an event led to is in its flow: steps that wait now, child runs that were called. */
  private follow(event: RunEvent): void {
    const flow = event.data.flow as Part | undefined | null;
    if (!flow) return;
    for (const one of (flow.waiting ?? []) as Part[]) {
      this.begin(String(one.step), "wait", event);
    }
    for (const one of (flow.calls ?? []) as Part[]) this.called(one, event);
  }

  private called(call: Part | undefined, event: RunEvent): void {
    if (call === undefined) return;
    this.end(String(call.step), event, "done");
    this.begin(String(call.step), "call", event, String(call.run_id ?? ""));
  }

  private begin(instance: string, kind: BarKind, event: RunEvent, child = ""): void {
    const attempt = Number(event.data.attempt ?? 0);
    const bar: Bar = {
      instance,
      kind,
      start: event.at,
      end: null,
      outcome: "",
      attempt,
      node: kind === "attempt" ? String(event.data.node ?? "") : "",
      child,
      from: event.version,
      to: null,
      lane: 0,
    };
    this.open.set(instance, bar);
    this.bars.push(bar);
  }

  private end(instance: string, event: RunEvent, outcome: Bar["outcome"]): void {
    const bar = this.open.get(instance);
    if (bar === undefined) return;
    this.open.delete(instance);
    bar.end = event.at;
    bar.to = event.version;
    bar.outcome = outcome;
  }
}

/** Gives each bar the first lane that is free then, and returns how many lanes that takes. */
function packed(bars: Bar[]): number {
  const ends: number[] = [];
  for (const bar of bars) {
    let lane = ends.findIndex((end) => end <= bar.start);
    if (lane === -1) lane = Math.min(ends.length, LANES_MAX - 1);
    bar.lane = lane;
    ends[lane] = Math.max(ends[lane] ?? 0, bar.end ?? Number.POSITIVE_INFINITY);
  }
  return Math.max(1, ends.length);
}

/** The bar as it was at an instant: not begun, going on until then, or over. */
export function phaseOf(bar: Bar, version: number): "ahead" | "under way" | "over" {
  if (bar.from > version) return "ahead";
  return bar.to !== null && bar.to <= version ? "over" : "under way";
}

/** Bars that would lie on the same pixels are drawn once; `pixel` is its length in microseconds. */
export function drawn(bars: readonly Bar[], pixel: number): Bar[] {
  const last = new Map<number, number>();
  return bars.filter((bar) => {
    const cell = Math.floor(bar.start / Math.max(1, pixel));
    const isTiny = bar.end !== null && bar.end - bar.start < pixel && bar.outcome === "done";
    if (isTiny && last.get(bar.lane) === cell) return false;
    last.set(bar.lane, cell);
    return true;
  });
}
