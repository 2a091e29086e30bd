import { describe, expect, test } from "vitest";
import { firstOf, PAGE, pageOf, pagesFor, sizeOf } from "../../src/logic/windows";

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

  test("a page is as long as the history has grown into it", () => {
    expect(sizeOf(0, 0)).toBe(0);
    expect(sizeOf(0, PAGE - 1)).toBe(PAGE - 1);
    expect(sizeOf(0, 50_000)).toBe(PAGE);
    expect(sizeOf(1, PAGE)).toBe(0);
    expect(sizeOf(1, PAGE + 7)).toBe(7);
  });
});
