import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/logic/graph";
import type { Layout } from "../../src/logic/layout";
import { centred, fitting, isInSight, placeOf } from "../../src/logic/sight";

const WINDOW = { width: 800, height: 300 };

function layout(width: number, height: number, nodes: [string, number, number][] = []): Layout {
  return {
    nodes: new Map(nodes.map(([id, x, y]) => [id, { x, y, width: 100, height: 50 }])),
    edges: new Map(),
    labels: new Map(),
    width,
    height,
  };
}

describe("a window on a graph", () => {
  test("shows a small graph as it is, in the middle", () => {
    expect(fitting(layout(200, 100), WINDOW)).toEqual({ x: 300, y: 100, zoom: 1 });
  });

  test("shows a large one smaller, and all of it", () => {
    const { x, zoom } = fitting(layout(2_000, 100), WINDOW);
    expect(zoom).toBeLessThan(0.4);
    expect(x).toBeGreaterThanOrEqual(0);
    expect(2_000 * zoom + x).toBeLessThanOrEqual(800);
  });

  test("brings a step into sight, without showing what is beyond the ends", () => {
    const large = layout(4_000, 100, [["a", 0, 0]]);
    for (const x of [0, 1_900, 3_900]) {
      const place = { x, y: 20, width: 100, height: 50 };
      const viewport = centred(place, large, WINDOW, 0.7);
      expect(isInSight(place, viewport, WINDOW)).toBe(true);
      expect(viewport.x).toBeLessThanOrEqual(10);
      expect(4_000 * 0.7 + viewport.x).toBeGreaterThanOrEqual(790);
    }
    const before = centred({ x: 0, y: 0, width: 100, height: 50 }, large, WINDOW, 0.7);
    expect(isInSight({ x: 3_900, y: 20, width: 100, height: 50 }, before, WINDOW)).toBe(false);
  });

  test("knows where a step in a box is", () => {
    const node = { label: "", kind: "", does: "", shape: "card" as const };
    const graph: Graph = {
      nodes: [
        { ...node, id: "loop", parent: null },
        { ...node, id: "in", parent: "loop" },
      ],
      edges: [],
    };
    const found = placeOf(
      graph,
      layout(900, 100, [
        ["loop", 300, 10],
        ["in", 20, 40],
      ]),
      "in",
    );
    expect([found.x, found.y]).toEqual([320, 50]);
    expect(placeOf(graph, layout(900, 100), "gone").x).toBe(0);
  });
});
