import { describe, expect, test } from "vitest";
import { ago, clock, duration, ticks } from "../../src/logic/format";
import { compareInstances, indicesOf, staticOf } from "../../src/logic/instances";
import { eventText, isOver, statusText, toneOf, toneOfEvent } from "../../src/logic/states";
import { ENTRIES_SHOWN, preview, rowsOf } from "../../src/logic/values";

describe("lengths of time", () => {
  test.each([
    [0, "0 µs"],
    [900, "900 µs"],
    [1_240, "1.2 ms"],
    [83_400, "83 ms"],
    [1_239_000, "1.24 s"],
    [59_940_000, "59.9 s"],
    [200_000_000, "3 min 20 s"],
    [3_599_900_000, "1 h"],
    [7_260_000_000, "2 h 1 min"],
    [90_000_000_000, "1 d 1 h"],
    [-5_000, "−5 ms"],
  ])("%i µs is %s", (us, text) => {
    expect(duration(us)).toBe(text);
  });

  test("how long ago needs one unit", () => {
    expect(ago(0, 1_000_000)).toBe("now");
    expect(ago(0, 90_000_000)).toBe("1 min ago");
  });

  test("a clock shows milliseconds", () => {
    expect(clock(1_700_000_000_123_000)).toMatch(/^\d\d:\d\d:\d\d\.123$/);
  });

  test("ticks are at round numbers and few", () => {
    expect(ticks(10_000_000, 6)).toEqual([
      0, 2_000_000, 4_000_000, 6_000_000, 8_000_000, 10_000_000,
    ]);
    expect(ticks(0, 6)).toEqual([0]);
    for (const length of [3, 777, 12_345_678, 90_000_000_000, 900_000_000_000]) {
      expect(ticks(length, 6).length).toBeLessThanOrEqual(7);
    }
  });
});

describe("instances", () => {
  test("have the name of their step and numbers of iterations", () => {
    expect(staticOf("parse[3][0]")).toBe("parse");
    expect(indicesOf("parse[3][0]")).toEqual([3, 0]);
    expect(["a[10]", "a[9]", "a[9][1]"].sort(compareInstances)).toEqual([
      "a[9]",
      "a[9][1]",
      "a[10]",
    ]);
  });
});

describe("states", () => {
  test("have tones, also one that nobody knows yet", () => {
    expect([toneOf("completed"), toneOf("timed_out"), toneOf(""), toneOf("novel")]).toEqual([
      "done",
      "failed",
      "none",
      "active",
    ]);
    expect([isOver("cancelled"), isOver("waiting")]).toEqual([true, false]);
    expect([statusText("timed_out"), statusText("")]).toEqual(["timed out", "not reached"]);
  });

  test.each([
    ["task.completed.v1", "task completed", "done"],
    ["run.completed.v1", "run completed", "done"],
    ["attempt.failed.v1", "attempt failed", "failed"],
    ["task.dead_lettered.v1", "task dead lettered", "failed"],
    ["task.retry_due.v1", "task retry due", "waiting"],
    ["run.paused.v1", "run paused", "paused"],
    ["task.cancelled.v1", "task cancelled", "idle"],
    ["task.dispatched.v1", "task dispatched", "active"],
  ])("%s reads '%s' and is %s", (type, text, tone) => {
    expect([eventText(type), toneOfEvent(type)]).toEqual([text, tone]);
  });
});

describe("values", () => {
  test("are one row until they are opened", () => {
    const value = { a: [1, 2], b: null };
    expect(rowsOf("v", value, new Set()).map((row) => row.text)).toEqual(["{a: [1, 2], b: null}"]);
    const open = rowsOf("v", value, new Set(["v", "v.a"]));
    expect(open.map((row) => [row.depth, row.key, row.text])).toEqual([
      [0, "v", "2 entries"],
      [1, "a", "2 items"],
      [2, "0", "1"],
      [2, "1", "2"],
      [1, "b", "null"],
    ]);
  });

  test("of a long list show a part until all is asked for", () => {
    const list = Array.from({ length: 1_000 }, (_, index) => index);
    const rows = rowsOf("v", list, new Set(["v"]));
    expect(rows).toHaveLength(1 + ENTRIES_SHOWN + 1);
    expect(rows.at(-1)).toMatchObject({ kind: "more", text: "900 more" });
    expect(rowsOf("v", list, new Set(["v", "v …"]))).toHaveLength(1_001);
  });

  test("have a preview that costs what it shows", () => {
    const list = Array.from({ length: 100_000 }, (_, index) => index);
    let read = 0;
    const watched = new Proxy(list, {
      get(target, key) {
        read += 1;
        return Reflect.get(target, key);
      },
    });
    expect(preview(watched).length).toBeLessThanOrEqual(80);
    expect(read).toBeLessThan(200);
    expect(preview("a\nb")).toBe('"a\\nb"');
    expect([preview(true), preview([]), preview({})]).toEqual(["true", "[]", "{}"]);
  });
});
