import { describe, expect, test } from "vitest";
import { graphOf } from "../../src/logic/graph";
import { netFrom } from "../netting";

function lines(name: string): string[] {
  return graphOf(netFrom(name)).edges.map((edge) => `${edge.source} ${edge.kind} ${edge.target}`);
}

describe("the graph of a net", () => {
  test("leads through the compiler's joins, so an author sees the steps that they wrote", () => {
    const ids = graphOf(netFrom("orders")).nodes.map((node) => node.id);
    expect(ids.filter((id) => id.includes("/"))).toEqual(["/start", "/end"]);
    expect(lines("orders")).toContain("large conditional reserve".replace("conditional", "normal"));
    expect(lines("orders")).toContain("price error refuse");
    expect(lines("orders")).toContain("price normal discount");
  });

  test("an arc that led through a join keeps the kind of its beginning, and all its arcs", () => {
    const edge = graphOf(netFrom("diamond")).edges.find(
      (one) => one.source === "chosen" && one.target === "analyses",
    );
    expect(edge?.kind).toBe("default");
    expect(edge?.arcs).toEqual(["chosen>chosen/end", "chosen/end>analyses"]);
  });

  test("the join of a parallel stays: tokens wait there", () => {
    const join = graphOf(netFrom("diamond")).nodes.find((node) => node.id === "analyses/end");
    expect(join).toMatchObject({ shape: "bar", label: "" });
  });

  test("a loop is a box around its steps, whose beginning and end are not shown", () => {
    const nodes = graphOf(netFrom("loops")).nodes;
    expect(nodes.map((node) => [node.id, node.shape, node.parent])).toEqual([
      ["/start", "dot", null],
      ["each", "box", null],
      ["greet", "card", "each"],
      ["begin", "card", "each"],
      ["settle", "box", "each"],
      ["pause", "card", "settle"],
      ["look", "card", "settle"],
      ["shout", "card", "each"],
      ["/end", "dot", null],
    ]);
    expect(lines("loops").sort()).toEqual([
      "/start normal each",
      "begin normal settle",
      "each normal /end",
      "greet normal begin",
      "pause normal look",
      "settle normal shout",
    ]);
  });

  test("a group is left by itself, not by the join inside it", () => {
    const step = { name: "", scope: "", kind: "task", does: "t", join: "all", closes: "" } as const;
    const graph = graphOf({
      steps: [
        { ...step, id: "offer", name: "offer", kind: "within" },
        { ...step, id: "ask", name: "ask", scope: "offer" },
        { ...step, id: "offer/end", kind: "join", scope: "offer", closes: "offer" },
        { ...step, id: "after", name: "after" },
      ],
      arcs: [
        { id: "offer>ask", source: "offer", target: "ask", kind: "normal", when: "" },
        { id: "ask>offer/end", source: "ask", target: "offer/end", kind: "normal", when: "" },
        { id: "offer/end>after", source: "offer/end", target: "after", kind: "normal", when: "" },
      ],
      scopes: [
        { id: "", parent: null, repeats: false },
        { id: "offer", parent: "", repeats: false },
      ],
    });
    expect(graph.nodes.map((node) => node.id)).toEqual(["offer", "ask", "after"]);
    expect(graph.edges.map((edge) => `${edge.source}>${edge.target}`)).toEqual(["offer>after"]);
  });
});
