import { describe, expect, test } from "vitest";
import { goingOn } from "../../src/api/feed";
import type { Run } from "../../src/api/model";
import { filterOf, searchOfFilter } from "../../src/runs/filter";
import { merge } from "../../src/runs/merge";

function run(id: string, startedAt: number, version = 1, status = "running"): Run {
  const rest = { workflow: "w", workflowVersion: "1", endedAt: null, pending: "" };
  return { id, startedAt, version, status, ...rest };
}

const news = (...runs: Run[]) => new Map(runs.map((one) => [one.id, one]));
const ids = (runs: Run[]) => runs.map((one) => one.id);

describe("a list of runs and what is told of them", () => {
  const pages = [
    { runs: [run("c", 30), run("b", 20)], next: "more" },
    { runs: [run("a", 10, 5)], next: null },
  ];

  test("a new run is on top, a newer row is in its place", () => {
    const shown = merge(pages, news(run("d", 40), run("b", 20, 7)), "");
    expect(ids(shown)).toEqual(["d", "c", "b", "a"]);
    expect(shown[2]?.version).toBe(7);
  });

  test("a row never goes back", () => {
    expect(merge(pages, news(run("a", 10, 3)), "").at(-1)?.version).toBe(5);
  });

  test("what the filter does not want any more goes", () => {
    expect(ids(merge(pages, news(run("b", 20, 9, "completed")), "running"))).toEqual(["c", "a"]);
  });

  test("an old run comes with its own page", () => {
    const first = pages.slice(0, 1);
    expect(ids(merge(first, news(run("a", 10)), ""))).toEqual(["c", "b"]);
    expect(ids(merge([{ runs: [], next: null }], news(run("a", 10)), ""))).toEqual(["a"]);
  });

  test("its filter is in the address", () => {
    for (const search of ["", "?status=failed", "?status=failed&workflow=a+b%26c"]) {
      expect(searchOfFilter(filterOf(search))).toBe(search);
    }
  });
});

describe("a feed that is opened anew", () => {
  test("goes on after the last message", () => {
    expect(goingOn("/feeds/runs/r?after=3", "")).toBe("/feeds/runs/r?after=3");
    expect(goingOn("/feeds/runs/r?after=3", "17")).toBe("/feeds/runs/r?after=17");
    expect(goingOn("/feeds/runs?workflow=w", "east:1,west:2")).toBe(
      "/feeds/runs?workflow=w&after=east%3A1%2Cwest%3A2",
    );
  });
});
