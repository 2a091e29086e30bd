// A history of 50,000 events. The server's part of it is measured elsewhere; here its answers are made
// up, and what counts is how much the page asks for and draws.

import type { Browser, Route } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Tab, until } from "./harness";

const LAST = 50_000;
const BEGAN = 1_700_000_000_000_000;

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(async () => {
  await browser.close();
});

test("a history of 50,000 events is read where it is looked at, and when the drag rests", async () => {
  const tab = await Tab.open(browser);
  const asked = { events: 0, moments: 0 };
  await tab.page.route("**/api/v1/**", (route) => answer(route, asked));
  await tab.go("/runs/long");
  const version = tab.page.locator(".transport-version");
  await until(
    () => version.textContent(),
    (seen) => seen === "50,000",
  );
  await tab.page.locator(".event-type").first().waitFor();
  expect(asked.events).toBeLessThanOrEqual(3);

  const slider = tab.page.getByRole("slider", { name: "Version" });
  const before = { ...asked };
  // All at once, so that it is one drag on the slowest of machines; a pointer drags in another test.
  await slider.evaluate((element, last) => {
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set;
    for (let step = 1; step <= 200; step += 1) {
      set?.call(element, String(last - Math.round((last * step) / 400)));
      element.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }, LAST);
  await until(
    () => tab.page.locator(".transport").getAttribute("data-behind"),
    (seen) => seen === "false",
  );
  const middle = Number(await slider.inputValue());
  expect(middle).toBe(LAST / 2);
  const selected = tab.page.getByRole("option", { selected: true });
  await until(
    () => selected.textContent(),
    (seen) => (seen ?? "").startsWith(String(middle)),
  );
  // The version where it rests, and those a key press away.
  expect(asked.moments - before.moments).toBeLessThanOrEqual(8);
  expect(await tab.page.locator(".event").count()).toBeLessThan(80);
  await tab.shot("long-history");
  await tab.close();
});

async function answer(route: Route, asked: { events: number; moments: number }): Promise<void> {
  const url = new URL(route.request().url());
  const path = url.pathname.replace("/api/v1", "");
  if (path.startsWith("/feeds/")) return route.fulfill({ status: 204 });
  if (path.endsWith("/events")) {
    asked.events += 1;
    const after = Number(url.searchParams.get("after") ?? 0);
    const items = Array.from(
      { length: Math.min(Number(url.searchParams.get("limit") ?? 100), LAST - after) },
      (_, index) => event(after + 1 + index),
    );
    return route.fulfill({ json: { items, next: null } });
  }
  const moment = /\/states\/(\d+)$/.exec(path)?.[1];
  if (moment !== undefined) {
    asked.moments += 1;
    return route.fulfill({ json: momentOf(Number(moment)) });
  }
  if (path.includes("/reasons/")) return route.fulfill({ json: { sentence: "It was due." } });
  if (path.includes("/changes/")) return route.fulfill({ json: { items: [], next: null } });
  if (path === "/workflows") return route.fulfill({ json: { items: [], next: null } });
  if (path.startsWith("/workflows/")) return route.fulfill({ json: { net: NET } });
  return route.fulfill({ json: RUN });
}

function event(version: number): object {
  return {
    version,
    type: version % 2 ? "task.dispatched.v1" : "task.completed.v1",
    recorded_at: BEGAN + version * 1_000,
    actor: "system",
    data: { step: `work[${Math.floor(version / 2)}]`, attempt: 1 },
    corrupt: "",
  };
}

function momentOf(version: number): object {
  return {
    run_id: "long",
    version,
    last: LAST,
    status: version === LAST ? "completed" : "running",
    at: BEGAN + version * 1_000,
    event: version % 2 ? "task.dispatched.v1" : "task.completed.v1",
    variables: { round: { value: Math.floor(version / 2), version } },
    steps: [{ name: "rounds", status: "entered", iteration: Math.floor(version / 2) }],
    tasks: [{ name: `work[${Math.floor(version / 2)}]`, status: "running" }],
  };
}

const RUN = {
  run_id: "long",
  workflow: "long",
  workflow_version: "0123456789",
  version: LAST,
  status: "completed",
  output: null,
  error: null,
  started_at: BEGAN,
  ended_at: BEGAN + LAST * 1_000,
};

const NET = {
  steps: [
    { id: "/start", action: { type: "start" } },
    { id: "rounds", name: "rounds", action: { type: "loop", kind: "while" } },
    { id: "rounds/start", scope: "rounds", action: { type: "start" } },
    { id: "work", name: "work", scope: "rounds", action: { type: "task", task: "stage.work" } },
    { id: "rounds/end", scope: "rounds", action: { type: "end" } },
    { id: "/end", action: { type: "end" } },
  ],
  arcs: [
    { id: "/start>rounds", source: "/start", target: "rounds" },
    { id: "rounds/start>work", source: "rounds/start", target: "work" },
    { id: "work>rounds/end", source: "work", target: "rounds/end" },
    { id: "rounds>/end", source: "rounds", target: "/end" },
  ],
  scopes: [{ id: "" }, { id: "rounds", parent: "", repeats: true }],
};
