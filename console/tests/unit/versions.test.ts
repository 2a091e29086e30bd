import { describe, expect, test } from "vitest";
import {
  keyed,
  moved,
  neighbours,
  placeOf,
  restMs,
  searchOf,
  shareOf,
  versionAt,
  versionOf,
} from "../../src/logic/versions";

const LIVE = { at: null };

describe("a place in a history", () => {
  test("live is the newest version, whichever that is", () => {
    expect([versionOf(LIVE, 7), versionOf(LIVE, 8)]).toEqual([7, 8]);
    expect(versionOf({ at: 5 }, 8)).toBe(5);
  });

  test("a version beyond the end is the end", () => {
    expect(versionOf({ at: 99 }, 8)).toBe(8);
  });

  test("a step forward from the last but one is live again", () => {
    expect(moved({ at: 6 }, 1, 8)).toEqual({ at: 7 });
    expect(moved({ at: 7 }, 1, 8)).toEqual(LIVE);
    expect(moved(LIVE, 1, 8)).toEqual(LIVE);
    expect(moved(LIVE, -1, 8)).toEqual({ at: 7 });
    expect(moved({ at: 0 }, -1, 8)).toEqual({ at: 0 });
  });

  test.each([
    ["ArrowLeft", false, 99],
    ["ArrowLeft", true, 90],
    ["ArrowRight", false, 101],
    ["PageUp", false, 150],
    ["PageDown", false, 50],
    ["Home", false, 0],
    ["End", false, null],
  ])("%s (shift: %s) leads to %s", (key, shift, at) => {
    expect(keyed({ at: 100 }, key, 1000, shift)).toEqual({ at });
  });

  test("other keys are nobody's business", () => {
    expect(keyed(LIVE, "x", 8, false)).toBeUndefined();
  });

  test("is kept in the address", () => {
    for (const place of [LIVE, { at: 0 }, { at: 17 }])
      expect(placeOf(searchOf(place))).toEqual(place);
    for (const odd of ["?at=", "?at=-1", "?at=x", "?at=1.5", "?at=99999999999"]) {
      expect(placeOf(odd)).toEqual(LIVE);
    }
  });

  test("each version has a place on the track that leads back to it", () => {
    for (const last of [1, 7, 50_000]) {
      for (const version of [0, 1, Math.floor(last / 2), last]) {
        expect(versionAt(shareOf(version, last), last)).toBe(version);
      }
    }
    expect(versionAt(-1, 8)).toBe(0);
    expect(versionAt(2, 8)).toBe(8);
  });

  test("neighbours lie within the history, the nearest first", () => {
    expect(neighbours(5, 8)).toEqual([4, 6, 3, 7]);
    expect(neighbours(0, 8)).toEqual([1, 2]);
    expect(neighbours(8, 8)).toEqual([7, 6]);
  });

  test("only a long history waits for the drag to rest", () => {
    expect(restMs(2_000)).toBe(0);
    expect(restMs(50_000)).toBeGreaterThan(0);
  });
});
