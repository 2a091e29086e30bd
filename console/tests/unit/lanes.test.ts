import { describe, expect, test } from "vitest";
import type { Json, RunEvent } from "../../src/api/model";
import { childrenOf, drawn, LANES_MAX, lanesOf, phaseOf, underWay } from "../../src/logic/lanes";

function history(...told: [number, string, string, { [key: string]: Json }?][]): RunEvent[] {
  return told.map(([at, type, step, data = {}], index) => ({
    version: index + 1,
    at: at * 1000,
    type: `${type}.v1`,
    actor: "system",
    step,
    data: { ...data, step },
  }));
}

const RETRIED = history(
  [0, "run.started", ""],
  [1, "task.dispatched", "pay", { attempt: 1, node: "n1" }],
  [5, "attempt.failed", "pay", { attempt: 1 }],
  [9, "task.retry_due", "pay"],
  [10, "task.dispatched", "pay", { attempt: 2, node: "n2" }],
  [12, "task.completed", "pay", { attempt: 2, flow: { waiting: [{ step: "rest" }] } }],
  [20, "wait.ended", "rest"],
  [20, "run.completed", ""],
);

describe("the timeline of a history", () => {
  test("has a bar for each attempt, the pauses between them, and each wait", () => {
    const bars = lanesOf(RETRIED).flatMap((lane) => lane.bars);
    expect(bars.map((bar) => [bar.kind, bar.start, bar.end, bar.outcome, bar.node])).toEqual([
      ["attempt", 1000, 5000, "failed", "n1"],
      ["retry", 5000, 9000, "done", ""],
      ["attempt", 10000, 12000, "done", "n2"],
      ["wait", 12000, 20000, "done", ""],
    ]);
  });

  test("what goes on has no end; with the run all ends", () => {
    const cut = history([0, "run.started", ""], [1, "task.dispatched", "pay", { attempt: 1 }]);
    expect(lanesOf(cut)[0]?.bars[0]).toMatchObject({ end: null, outcome: "" });
    const ended = history(
      [0, "run.started", ""],
      [1, "task.dispatched", "pay", { attempt: 1 }],
      [3, "run.cancelled", ""],
    );
    expect(lanesOf(ended)[0]?.bars[0]).toMatchObject({ end: 3000, outcome: "cancelled" });
  });

  test("items of a map share its row, in no more lanes than can be seen", () => {
    const events = history(
      ...Array.from(
        { length: 20 },
        (_, item) => [item, "task.dispatched", `scale[${item}]`] as const,
      ).map((one) => [...one] as [number, string, string]),
    );
    const lanes = lanesOf(events);
    expect(lanes).toHaveLength(1);
    expect(lanes[0]?.lanes).toBe(LANES_MAX);
  });

  test("a lane is used again once it is free", () => {
    const events = history(
      [0, "task.dispatched", "s[0]"],
      [1, "task.dispatched", "s[1]"],
      [2, "task.completed", "s[0]"],
      [3, "task.dispatched", "s[2]"],
    );
    expect(lanesOf(events)[0]?.bars.map((bar) => bar.lane)).toEqual([0, 1, 0]);
  });

  test("a child run is a bar from its call to its end", () => {
    const events = history(
      [0, "run.started", "", { flow: { calls: [{ step: "ask", run_id: "r1" }] } }],
      [4, "child.failed", "ask"],
      [6, "child.called", "", { call: { step: "ask", run_id: "r2" } }],
      [9, "child.completed", "ask"],
    );
    expect(lanesOf(events)[0]?.bars.map((bar) => [bar.kind, bar.outcome])).toEqual([
      ["call", "failed"],
      ["retry", "done"],
      ["call", "done"],
    ]);
    expect(childrenOf(lanesOf(events))).toEqual(new Map([["ask", "r2"]]));
  });

  test("counts what is under way after each event, waits left out", () => {
    expect(underWay(RETRIED, lanesOf(RETRIED))).toEqual([0, 1, 0, 0, 1, 0, 0, 0]);
  });

  test("a bar at a version is ahead, under way or over", () => {
    const bar = lanesOf(RETRIED)[0]?.bars[0];
    if (bar === undefined) throw new Error("no bar");
    expect([1, 2, 3].map((version) => phaseOf(bar, version))).toEqual([
      "ahead",
      "under way",
      "over",
    ]);
  });

  test("bars on the same pixel are drawn once, failures always", () => {
    const events = history(
      [0, "task.dispatched", "s[0]"],
      [0.1, "task.completed", "s[0]"],
      [0.2, "task.dispatched", "s[1]"],
      [0.3, "task.completed", "s[1]"],
      [0.4, "task.dispatched", "s[2]"],
      [0.5, "task.failed", "s[2]"],
    );
    const bars = lanesOf(events)[0]?.bars ?? [];
    expect(drawn(bars, 1_000_000).map((bar) => bar.instance)).toEqual(["s[0]", "s[2]"]);
    expect(drawn(bars, 1)).toHaveLength(3);
  });
});
