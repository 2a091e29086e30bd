import { describe, expect, test } from "vitest";
import { firstOf, isWhole, PAGE, pageOf, pagesFor, sampled } from "../../src/logic/windows";

describe("a list read by pages", () => {
  test("each version is on the page that begins at or before it", () => {
    for (const version of [1, PAGE - 1, PAGE, PAGE + 1, 50_000]) {
      const first = firstOf(pageOf(version));
      expect(version).toBeGreaterThanOrEqual(first);
      expect(version).toBeLessThan(first + PAGE);
    }
    expect(pageOf(0)).toBe(0);
  });

  test("only the pages that are looked at are read", () => {
    expect(pagesFor(1, 20, 50_000)).toEqual([0]);
    expect(pagesFor(PAGE - 5, PAGE + 5, 50_000)).toEqual([0, 1]);
    expect(pagesFor(49_990, 50_020, 50_000)).toEqual([pageOf(49_990)]);
    expect(pagesFor(1, 20, 0)).toEqual([]);
  });

  test("a page is whole once the history has gone past it", () => {
    expect(isWhole(0, PAGE - 1)).toBe(false);
    expect(isWhole(0, PAGE)).toBe(true);
  });

  test("a sample has both ends and no version twice", () => {
    expect(sampled(3, 10)).toEqual([1, 2, 3]);
    const versions = sampled(50_000, 300);
    expect(versions).toHaveLength(300);
    expect([versions[0], versions.at(-1)]).toEqual([1, 50_000]);
    expect(new Set(versions).size).toBe(300);
  });
});
