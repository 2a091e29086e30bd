// A long list of events is read page by page: only the pages that are looked at.

export const PAGE = 200;

/** Versions are counted from 1, pages from 0. */
export function pageOf(version: number): number {
  return Math.floor((Math.max(1, version) - 1) / PAGE);
}

export function firstOf(page: number): number {
  return page * PAGE + 1;
}

/** The pages that show the versions from `first` to `last` of a history that ends with `end`. */
export function pagesFor(first: number, last: number, end: number): number[] {
  if (end < 1) return [];
  const [from, to] = [pageOf(Math.min(first, end)), pageOf(Math.min(Math.max(first, last), end))];
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** A page that a history has grown past does not change any more. */
export function isWhole(page: number, end: number): boolean {
  return end >= firstOf(page) + PAGE - 1;
}

/** The spread of `points` values over 1..end, always with both ends: for charts of long histories. */
export function sampled(end: number, points: number): number[] {
  if (end <= points) return Array.from({ length: end }, (_, index) => index + 1);
  const step = (end - 1) / (points - 1);
  return Array.from({ length: points }, (_, index) => Math.round(1 + index * step));
}
