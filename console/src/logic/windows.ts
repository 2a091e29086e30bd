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

/** How many events a page has in a history that ends with `end`. */
export function sizeOf(page: number, end: number): number {
  return Math.max(0, Math.min(PAGE, end - firstOf(page) + 1));
}
