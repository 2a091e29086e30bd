import ELK from "elkjs/lib/elk.bundled.js";
import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/logic/graph";
import { graphOf } from "../../src/logic/graph";
import { type Engine, type Layout, layoutOf, middleOf, pathOf } from "../../src/logic/layout";
import { netFrom } from "../netting";

const engine: Engine = new ELK();

function overlaps(graph: Graph, layout: Layout): string[] {
  const found: string[] = [];
  for (const a of graph.nodes) {
    for (const b of graph.nodes) {
      if (a.id >= b.id || a.parent !== b.parent) continue;
      const [p, q] = [layout.nodes.get(a.id), layout.nodes.get(b.id)];
      if (!p || !q) throw new Error(`no place for ${a.id} or ${b.id}`);
      const apart =
        p.x + p.width <= q.x ||
        q.x + q.width <= p.x ||
        p.y + p.height <= q.y ||
        q.y + q.height <= p.y;
      if (!apart) found.push(`${a.id} ${b.id}`);
    }
  }
  return found;
}

describe("the layout", () => {
  test.each(["orders", "loops", "diamond"])(
    "of %s has a place for all, none upon another",
    async (name) => {
      const graph = graphOf(netFrom(name));
      const layout = await layoutOf(graph, engine, 1.6);
      expect(layout.nodes.size).toBe(graph.nodes.length);
      expect(overlaps(graph, layout)).toEqual([]);
      for (const edge of graph.edges) {
        expect(layout.edges.get(edge.id)?.length).toBeGreaterThanOrEqual(2);
      }
    },
  );

  test("of a chain of thirty steps is no line that nobody can read", async () => {
    const ids = Array.from({ length: 30 }, (_, index) => `s${index}`);
    const graph: Graph = {
      nodes: ids.map((id) => ({
        id,
        label: id,
        kind: "task",
        does: "t",
        shape: "card",
        parent: null,
      })),
      edges: ids.slice(1).map((id, index) => ({
        id: `s${index}>${id}`,
        source: `s${index}`,
        target: id,
        kind: "normal",
        when: "",
        arcs: [`s${index}>${id}`],
      })),
    };
    const layout = await layoutOf(graph, engine, 1.6);
    expect(overlaps(graph, layout)).toEqual([]);
    expect(layout.width / layout.height).toBeLessThan(5);
  });

  test("is the same each time", async () => {
    const graph = graphOf(netFrom("orders"));
    const [first, again] = [await layoutOf(graph, engine, 1.6), await layoutOf(graph, engine, 1.6)];
    expect(again).toEqual(first);
  });
});

describe("a line through corners", () => {
  const corners = [
    { x: 0, y: 0 },
    { x: 10, y: 0 },
    { x: 10, y: 50 },
  ];

  test("has rounded corners, never rounder than its shortest piece allows", () => {
    expect(pathOf(corners)).toBe("M0,0L5,0Q10,0 10,5L10,50");
    expect(pathOf([])).toBe("");
  });

  test("is labelled in the middle of its longest piece", () => {
    expect(middleOf(corners)).toEqual({ x: 10, y: 25 });
  });
});
