import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WireEvent, WireMoment, WirePage } from "../../src/api/wire";
import { clock } from "../../src/logic/format";
import { eventText } from "../../src/logic/states";
import { ask, launch, Tab, until } from "./harness";
import { dalsegno, ended, start } from "./runs";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
});

const SCHEMES = ["light", "dark"] as const;

describe("before there is any run", () => {
  test.each(SCHEMES)("the list says so, and how to begin (%s)", async (scheme) => {
    const tab = await Tab.open(browser, { scheme });
    await tab.go("/");
    await tab.page.getByText("There are no runs yet").waitFor();
    await tab.shot(`empty-${scheme}`);
    expect(await tab.obstacles()).toEqual([]);
    await tab.close();
  });
});

describe("a run that is under way", () => {
  test("appears, moves and ends without reload; the slider shows any of its versions", async () => {
    const tab = await Tab.open(browser);
    const { page } = tab;
    await tab.go("/");
    await page.getByText("live", { exact: true }).waitFor();
    await page.evaluate(() => Object.assign(globalThis, { isTheSamePage: true }));

    await start("count", "watched");
    const row = page.getByRole("row").filter({ hasText: "watched" });
    await row.waitFor();
    await tab.shot("list-live");
    await row.getByRole("link").click();

    const version = page.locator(".transport-version");
    await version.waitFor();
    const first = Number(await version.textContent());
    await until(
      async () => Number(await version.textContent()),
      (seen) => seen > first + 3,
    );
    await page.locator('.card[data-status="completed"]').first().waitFor();
    await tab.shot("run-live");
    await page.locator(".run-head .badge").getByText("completed").waitFor();
    expect(await page.evaluate(() => "isTheSamePage" in globalThis)).toBe(true);
    expect(await tab.shifted()).toBeLessThan(0.1);

    const { version: last } = await ended("watched");
    await until(
      () => version.textContent(),
      (seen) => seen === String(last),
    );
    await showsVersion(tab, "watched", last);

    // To the middle with the pointer, as a person would.
    const slider = page.getByRole("slider", { name: "Version" });
    const box = await slider.boundingBox();
    if (box === null) throw new Error("the slider has no place");
    const y = box.y + box.height - 14;
    await page.mouse.move(box.x + box.width - 9, y);
    await page.mouse.down();
    for (const share of [0.9, 0.8, 0.7, 0.6, 0.5]) {
      await page.mouse.move(box.x + 9 + (box.width - 18) * share, y);
    }
    await page.mouse.up();
    const middle = Number(await slider.inputValue());
    expect(Math.abs(middle - last / 2)).toBeLessThanOrEqual(1);
    await showsVersion(tab, "watched", middle);
    await tab.shot("slider-middle");
    await until(
      async () => page.url(),
      (seen) => seen.endsWith(`?at=${middle}`),
    );

    // By a key, then the address alone: the same version again.
    await page.keyboard.press("ArrowLeft");
    await showsVersion(tab, "watched", middle - 1);
    await page.keyboard.press("Shift+ArrowRight");
    await showsVersion(tab, "watched", middle + 9);
    await tab.go(`/runs/watched?at=${middle}`);
    await showsVersion(tab, "watched", middle);
    await page.keyboard.press("Home");
    await tab.close();
  });

  test("what the terminal says of a version, the page says too", async () => {
    const { version: last } = await ended("watched");
    const middle = Math.round(last / 2);
    const told = JSON.parse(await dalsegno("replay", "watched", "--at", String(middle), "--json"));
    const moment = await ask<WireMoment>(`/runs/watched/states/${middle}`);
    expect(moment.variables).toEqual((told.moment ?? told).variables);
  });
});

/** Graph, variables, events, timeline and the words above the slider are those of the version. */
async function showsVersion(tab: Tab, run: string, version: number): Promise<void> {
  const { page } = tab;
  const moment = await ask<WireMoment>(`/runs/${run}/states/${version}`);
  const events = await ask<WirePage<WireEvent>>(`/runs/${run}/events?after=${version - 1}&limit=1`);
  await until(
    () => page.locator(".transport").getAttribute("data-behind"),
    (seen) => seen === "false",
  );
  expect(await page.locator(".transport-version").textContent()).toBe(String(version));
  expect(await page.locator(".transport-event").textContent()).toBe(eventText(moment.event ?? ""));

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

describe("a run that failed", () => {
  test.each(SCHEMES)("shows where and why (%s)", async (scheme) => {
    if (scheme === "light") await start("refused", "refused-1");
    await ended("refused-1");
    const tab = await Tab.open(browser, { scheme });
    await tab.go("/runs/refused-1");
    await tab.page.getByText("the card of order 17 has expired").first().waitFor();
    const charge = tab.page.locator('.react-flow__node[data-id="charge"] .card');
    await until(
      () => charge.getAttribute("data-tone"),
      (seen) => seen === "failed",
    );
    await tab.page.getByRole("tab", { name: /result/i }).click();
    await tab.shot(`failed-${scheme}`);
    expect(await tab.obstacles()).toEqual([]);
    await tab.close();
  });
});

describe("a graph of thirty steps", () => {
  test("can be read at 1280 and at 800 pixels, in both themes", async () => {
    await start("thirty", "thirty-1", { kind: "sea" });
    const { version: last } = await ended("thirty-1");
    for (const [scheme, width] of [
      ["light", 1280],
      ["dark", 1280],
      ["light", 800],
    ] as const) {
      const tab = await Tab.open(browser, { scheme, width, height: width === 800 ? 1800 : 860 });
      await tab.go(`/runs/thirty-1?at=${Math.round(last * 0.6)}`);
      await tab.page.locator(".react-flow__node").first().waitFor();
      expect(await tab.page.locator(".card").count()).toBeGreaterThan(20);
      await settled(tab);
      await tab.shot(`thirty-${scheme}-${width}`);
      expect(await sideways(tab)).toBe(0);
      expect(await tab.obstacles()).toEqual([]);
      await tab.close();
    }
  });

  test("does not move when the slider does", async () => {
    const tab = await Tab.open(browser);
    await tab.go("/runs/thirty-1");
    await settled(tab);
    const before = await places(tab);
    const slider = tab.page.getByRole("slider", { name: "Version" });
    await slider.focus();
    for (const key of ["Home", "PageUp", "PageUp", "ArrowRight", "End"]) {
      await tab.page.keyboard.press(key);
      await settled(tab);
      expect(await places(tab)).toEqual(before);
    }
    expect(await tab.shifted()).toBeLessThan(0.05);
    await tab.close();
  });
});

async function settled(tab: Tab): Promise<void> {
  await until(
    () => tab.page.locator(".transport").getAttribute("data-behind"),
    (seen) => seen === "false",
  );
  await tab.page.locator(".react-flow__node").first().waitFor();
  await tab.page.locator(".timeline-row").first().waitFor();
  await tab.page.locator(".event-type").first().waitFor();
  await tab.page.evaluate(() => document.fonts.ready);
}

/** Where things are; steps within the graph, which may be moved as a whole to follow the reader. */
function places(tab: Tab): Promise<string[]> {
  const parts = ".transport, .track, .pane, .react-flow__node, .timeline-row, .transport-keys";
  return tab.page.locator(parts).evaluateAll((found) =>
    found.map((one) => {
      if (one.classList.contains("react-flow__node")) return (one as HTMLElement).style.transform;
      const { x, y, width, height } = one.getBoundingClientRect();
      return [x, y, width, height].map(Math.round).join();
    }),
  );
}

/** By how much the page is wider than the window. */
function sideways(tab: Tab): Promise<number> {
  return tab.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

describe("a map of a thousand items", () => {
  test("shows how far it is at any version, and stays quick", async () => {
    await start("thousand", "thousand-1", { items: 1_000 });
    const { version: last } = await ended("thousand-1");
    const tab = await Tab.open(browser);
    await tab.go(`/runs/thousand-1?at=${Math.round(last / 2)}`);
    await settled(tab);
    const moment = await ask<WireMoment>(`/runs/thousand-1/states/${Math.round(last / 2)}`);
    const map = (moment.steps ?? []).find((step) => step.name === "scale")?.map;
    const over = (map?.completed ?? 0) + (map?.failed ?? 0);
    expect(over).toBeGreaterThan(0);
    expect(over).toBeLessThan(1_000);
    await tab.page.getByText(`${over} of 1,000 items`).waitFor();
    await tab.shot("thousand");
    expect(await tab.page.locator(".event").count()).toBeLessThan(80);
    expect(await tab.obstacles()).toEqual([]);
    await tab.close();
  });
});

describe("the list of runs", () => {
  test.each(SCHEMES)("shows all of them, and can be gone through by keys (%s)", async (scheme) => {
    const tab = await Tab.open(browser, { scheme });
    await tab.go("/");
    const rows = tab.page.locator("tbody tr");
    await until(
      () => rows.count(),
      (seen) => seen === 4,
    );
    await tab.shot(`list-${scheme}`);
    expect(await tab.obstacles()).toEqual([]);
    await rows.first().getByRole("link").focus();
    await tab.page.keyboard.press("ArrowDown");
    await tab.page.keyboard.press("Enter");
    await tab.page.locator(".run-head h1").getByText("thirty-1").waitFor();
    await tab.page.goBack();
    await tab.page.getByText("Failed", { exact: true }).click();
    await until(
      () => rows.allTextContents(),
      (seen) => seen.length === 1,
    );
    expect(await rows.first().textContent()).toContain("refused-1");
    await tab.close();
  });
});

describe("when something is not there", () => {
  test("a run that does not exist is said not to", async () => {
    const tab = await Tab.open(browser, { allowed: /404/ });
    await tab.go("/runs/nobody");
    await tab.page.getByText("there is no run nobody").waitFor();
    await tab.shot("no-such-run");
    expect(await tab.obstacles()).toEqual([]);
    await tab.close();
  });

  test("a server that does not answer is said to, and is asked again", async () => {
    const tab = await Tab.open(browser, { allowed: /ERR_FAILED|Failed to load/ });
    await tab.page.route("**/api/**", (route) => route.abort());
    await tab.go("/");
    await tab.page.getByText("The API server does not answer").waitFor();
    await tab.shot("no-server");
    await tab.page.unroute("**/api/**");
    await until(
      () => tab.page.locator("tbody tr").count(),
      (seen) => seen === 4,
    );
    await tab.close();
  });
});
