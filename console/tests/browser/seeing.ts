// What a test sees on the page of a run, compared with what the API says of the same version.

import { expect } from "vitest";
import type { WireEvent, WireMoment, WirePage } from "../../src/api/wire";
import { clock } from "../../src/logic/format";
import { eventText } from "../../src/logic/states";
import { ask, type Tab, until } from "./harness";

/** Graph, variables, events, timeline and the words above the slider are those of the version. */
export async function showsVersion(tab: Tab, run: string, version: number): Promise<void> {
  const { page } = tab;
  const moment = await ask<WireMoment>(`/runs/${run}/states/${version}`);
  const events = await ask<WirePage<WireEvent>>(`/runs/${run}/events?after=${version - 1}&limit=1`);
  await until(
    () => page.locator(".transport").getAttribute("data-behind"),
    (seen) => seen === "false",
  );
  expect(await page.locator(".transport-version").textContent()).toBe(String(version));
  expect(await page.locator(".transport-type").textContent()).toBe(eventText(moment.event ?? ""));

  const selected = page.getByRole("option", { selected: true });
  await until(
    () => selected.locator(".event-version").allTextContents(),
    (seen) => seen.length === 1 && seen[0] === String(version),
  );
  const event = events.items[0];
  expect(await selected.locator(".event-type").textContent()).toBe(eventText(event?.type ?? ""));
  expect(await selected.locator(".event-time").textContent()).toContain(
    clock(event?.recorded_at ?? 0).slice(2, 8),
  );

  const shown = await page.locator(".variables > li").evaluateAll((items) =>
    items.map((item) => ({
      name: item.querySelector(".tree-key")?.textContent ?? "",
      setBy: item.querySelector(".version-link")?.lastChild?.textContent ?? "",
      text: item.querySelector(".tree-value, .tree-size")?.textContent ?? "",
    })),
  );
  const variables = Object.entries(moment.variables ?? {});
  expect(shown.map((one) => [one.name, one.setBy])).toEqual(
    variables.map(([name, one]) => [name, String(one.version ?? "")]),
  );
  for (const [name, one] of variables) {
    if (typeof one.value !== "number") continue;
    expect(shown.find((seen) => seen.name === name)?.text).toBe(String(one.value));
  }
  await showsSteps(tab, moment);
}

/** The colour of each task is the status of its newest instance. */
async function showsSteps(tab: Tab, moment: WireMoment): Promise<void> {
  const newest = new Map<string, string>();
  for (const step of moment.tasks ?? []) {
    const [id = "", index = "0"] = step.name.split(/[[\]]/);
    const [, before = "-1"] = (newest.get(id) ?? "").split(" ");
    if (Number(index) >= Number(before)) newest.set(id, `${step.status} ${index}`);
  }
  const round = Math.max(
    -1,
    ...[...(moment.tasks ?? []), ...(moment.steps ?? [])].map((step) =>
      Number(/\[(\d+)\]/.exec(step.name)?.[1] ?? -1),
    ),
  );
  for (const [id, told] of newest) {
    const [status, index] = told.split(" ");
    const inLoop = (moment.tasks ?? []).some((step) => step.name.startsWith(`${id}[`));
    const expected = inLoop && Number(index) < round ? "" : status;
    const node = tab.page.locator(`.react-flow__node[data-id="${id}"] > div`);
    await until(
      () => node.getAttribute("data-status"),
      (seen) => seen === expected,
      5,
    );
  }
}

/** All panes are drawn, and at the version that the slider says. */
export async function settled(tab: Tab): Promise<void> {
  await until(
    () => tab.page.locator(".transport").getAttribute("data-behind"),
    (seen) => seen === "false",
  );
  await tab.page.locator(".react-flow__node").first().waitFor();
  await tab.page.locator(".timeline-row").first().waitFor();
  await tab.page.locator(".event-type").first().waitFor();
  await until(
    () => tab.page.locator(".event .loading-bar").count(),
    (seen) => seen === 0,
  );
  await tab.page.evaluate(() => document.fonts.ready);
}

/** Where things are: steps within the graph and rows within the timeline, which follow the reader. */
export function places(tab: Tab): Promise<string[]> {
  const parts = ".transport, .track, .pane, .react-flow__node, .timeline-row, .transport-keys";
  return tab.page.locator(parts).evaluateAll((found) =>
    found.map((one) => {
      if (one.classList.contains("react-flow__node")) return (one as HTMLElement).style.transform;
      if (one.classList.contains("timeline-row")) return String((one as HTMLElement).offsetTop);
      const { x, y, width, height } = one.getBoundingClientRect();
      return [x, y, width, height].map(Math.round).join();
    }),
  );
}

/** By how much the page is wider than the window. */
export function sideways(tab: Tab): Promise<number> {
  return tab.page.evaluate(() => {
    const main = document.getElementById("main");
    const within = main === null ? 0 : main.scrollWidth - main.clientWidth;
    return Math.max(within, document.documentElement.scrollWidth - innerWidth);
  });
}
