import { describe, expect, test } from "vitest";
import type { Moment, StepAt } from "../../src/api/model";
import { graphOf } from "../../src/logic/graph";
import { marksOf } from "../../src/logic/marks";
import { netFrom } from "../netting";

function at(steps: Record<string, string>, more: Partial<Moment> = {}): Moment {
  return {
    version: 5,
    at: 0,
    type: "task.completed.v1",
    status: "running",
    steps: Object.entries(steps).map(([instance, status]) => stepAt(instance, status)),
    marking: {},
    variables: [],
    origin: null,
    input: null,
    output: null,
    error: null,
    waits: [],
    ...more,
  };
}

function stepAt(instance: string, status: string): StepAt {
  return {
    instance,
    status,
    attempt: 1,
    node: "",
    startedAt: null,
    endedAt: null,
    note: "",
    child: "",
    items: null,
  };
}

function marked(name: string, moment: Moment | undefined) {
  const net = netFrom(name);
  const graph = graphOf(net);
  const marks = marksOf(graph, net, moment);
  const edge = (source: string, target: string) => {
    const found = graph.edges.find((one) => one.source === source && one.target === target);
    return found && marks.edges.get(found.id);
  };
  return { status: (id: string) => marks.nodes.get(id)?.status, marks, edge };
}

describe("the marks of a graph at a version", () => {
  test("before anything is read nothing is reached", () => {
    const { marks } = marked("orders", undefined);
    expect(new Set([...marks.nodes.values()].map((mark) => mark.tone))).toEqual(new Set(["none"]));
  });

  test("what was gone through is taken, what was not is not", () => {
    const moment = at({
      price: "completed",
      discount: "completed",
      large: "skipped",
      none: "completed",
      reserve: "dispatched",
    });
    const { edge, status } = marked("orders", moment);
    expect(status("reserve")).toBe("dispatched");
    expect(edge("discount", "none")?.taken).toBe(true);
    expect(edge("discount", "large")?.taken).toBe(false);
    expect(edge("/start", "price")?.taken).toBe(true);
    expect(edge("price", "refuse")?.taken).toBe(false);
  });

  test("an error arc is taken by a failed step whose handler was reached", () => {
    const { edge } = marked("orders", at({ charge: "failed", put_back: "ready" }));
    expect(edge("charge", "put_back")?.taken).toBe(true);
    expect(edge("charge", "ship")?.taken).toBe(false);
  });

  test("tokens that wait at a join are counted on its arcs", () => {
    const moment = at(
      { average: "completed", spread: "running" },
      { marking: { "average>analyses/end": 1 } },
    );
    expect(marked("diamond", moment).edge("average", "analyses/end")).toEqual({
      taken: true,
      tokens: 1,
    });
  });

  test("in a loop the present iteration counts: a step that it has not reached has no state", () => {
    const { status, marks } = marked(
      "loops",
      at({
        each: "looping",
        "greet[0]": "completed",
        "begin[0]": "completed",
        "shout[0]": "completed",
        "greet[1]": "running",
      }),
    );
    expect(status("greet")).toBe("running");
    expect(status("shout")).toBe("");
    expect(marks.nodes.get("greet")?.times).toBe(2);
  });

  test("the end is reached by a run that completed, not by one that failed", () => {
    expect(
      marked("diamond", at({ merge: "completed" }, { status: "completed" })).status("/end"),
    ).toBe("completed");
    expect(marked("diamond", at({ merge: "failed" }, { status: "failed" })).status("/end")).toBe(
      "",
    );
  });
});
