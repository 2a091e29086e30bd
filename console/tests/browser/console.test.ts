import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WireMoment, WireReason } from "../../src/api/wire";
import { Gate } from "./gate";
import { ask, launch, Tab, URL_OF_API, until } from "./harness";
import { dalsegno, ended, go, register, start } from "./runs";
import { places, settled, showsVersion, sideways } from "./seeing";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
});

describe("before there is any run", () => {
  test("the list says so, and how to begin", async () => {
    const tab = await Tab.open(browser);
    await tab.go("/");
    await tab.page.getByText("There are no runs yet").waitFor();
    await tab.shots("empty");
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
    await page.getByText("live", { exact: true }).waitFor();
    const first = Number(await version.textContent());
    await go("watched");
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
    await until(
      async () => page.url(),
      (seen) => seen.endsWith(`?at=${middle}`),
    );

    // By keys, then the address alone: the same version again.
    await page.keyboard.press("ArrowLeft");
    await showsVersion(tab, "watched", middle - 1);
    await page.keyboard.press("Shift+ArrowRight");
    await showsVersion(tab, "watched", middle + 9);
    await page.keyboard.press("Home");
    await page.getByText("Before the first event").waitFor();
    await page.keyboard.press("l");
    await showsVersion(tab, "watched", last);
    await tab.go(`/runs/watched?at=${middle}`);
    await showsVersion(tab, "watched", middle);
    await tab.checkedShots("slider-middle");
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

describe("a run that failed", () => {
  test("shows where and why", async () => {
    await start("refused", "order-17.refused");
    const { version: last } = await ended("order-17.refused");
    const tab = await Tab.open(browser);
    await tab.go("/runs/order-17.refused");
    await tab.page.getByText("the card of order 17 has expired").first().waitFor();
    const charge = tab.page.locator('.react-flow__node[data-id="charge"] .card');
    await until(
      () => charge.getAttribute("data-tone"),
      (seen) => seen === "failed",
    );
    await tab.page.getByRole("tab", { name: /result/i }).click();
    const sentence = tab.page.locator(".why-sentence");
    const reasonAt = (at: number) => ask<WireReason>(`/runs/order-17.refused/reasons/${at}`);
    const reason = await reasonAt(last);
    await until(
      () => sentence.textContent(),
      (seen) => seen === reason.sentence,
    );
    await tab.page.getByRole("list", { name: "What it changed" }).waitFor();
    await tab.checkedShots("failed");

    // To what it came from, and from there: the chain is followed by pointing.
    const cause = reason.causes?.[0]?.version ?? 0;
    await tab.page.locator(".ties .tie").first().click();
    await showsVersion(tab, "order-17.refused", cause);
    const before = await reasonAt(cause);
    await until(
      () => sentence.textContent(),
      (seen) => seen === before.sentence,
    );
    await tab.close();
  });
});

describe("a graph of thirty steps", () => {
  test("can be read at 1440, 800 and 390 pixels, and does not move when the slider does", async () => {
    await start("shipment", "shipment-2041", { kind: "sea" });
    const { version: last } = await ended("shipment-2041");
    const tab = await Tab.open(browser);
    await tab.go(`/runs/shipment-2041?at=${Math.round(last * 0.6)}`);
    await settled(tab);
    expect(await tab.page.locator(".card").count()).toBeGreaterThan(20);
    await tab.checkedShots("shipment-1440");
    const before = await places(tab);
    await tab.page.getByRole("slider", { name: "Version" }).focus();
    for (const key of ["Home", "PageUp", "PageUp", "ArrowRight", "End"]) {
      await tab.page.keyboard.press(key);
      await settled(tab);
      expect(await places(tab)).toEqual(before);
    }
    expect(await tab.shifted()).toBeLessThan(0.05);
    for (const [width, height] of [
      [800, 1_800],
      [390, 844],
    ] as const) {
      await tab.page.setViewportSize({ width, height });
      await settled(tab);
      await tab.shots(`shipment-${width}`);
      expect(await sideways(tab)).toBe(0);
    }
    await tab.close();
  });
});

describe("a run that calls another", () => {
  test("leads to it, and that one back", async () => {
    await register("gated");
    await start("family", "family-1");
    const tab = await Tab.open(browser);
    const { page } = tab;
    await tab.go("/runs/family-1");
    await page.locator(".card .child-link").click();
    await page.getByText("called by family-1, step parcel").waitFor();
    const child = (await page.locator(".run-head h1").textContent()) ?? "";
    await tab.shot("child");
    await go(child);
    await page.locator(".run-head .badge").getByText("completed").waitFor();
    await page.getByRole("link", { name: "family-1" }).click();
    await page.locator(".run-head .badge").getByText("completed").waitFor();
    await settled(tab);
    await page.locator(".card .child-link").waitFor();
    await tab.shots("family");
    await tab.close();
  });
});

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
    await tab.shots("thousand");
    expect(await tab.page.locator(".event").count()).toBeLessThan(80);
    await tab.close();
  });
});

describe("a run of three hundred steps", () => {
  test("is watched from its first event to its last", async () => {
    const tab = await Tab.open(browser);
    const { page } = tab;
    await start("three_hundred", "wide-1");
    await tab.go("/runs/wide-1");
    await page.locator(".run-head .badge").getByText("completed").waitFor();
    const { version: last } = await ended("wide-1");
    await showsVersion(tab, "wide-1", last);
    await settled(tab);
    expect(await page.locator(".timeline-row").count()).toBe(300);
    await page.getByRole("button", { name: "Whole" }).click();
    expect(await page.locator(".card").count()).toBe(300);
    await page.getByRole("slider", { name: "Version" }).focus();
    for (const key of ["Home", "PageUp", "PageUp", "PageUp", "PageUp", "PageUp"]) {
      await page.keyboard.press(key);
    }
    await settled(tab);
    await tab.shots("three-hundred");
    await tab.close();
  });
});

const ALL = ["watched", "order-17.refused", "shipment-2041", "thousand-1", "wide-1", "family-1"];

describe("the list of runs", () => {
  test("shows all of them, by filters and by keys", async () => {
    const tab = await Tab.open(browser);
    const { page } = tab;
    await tab.go("/");
    const rows = page.locator("tbody tr");
    await until(
      () => rows.count(),
      (seen) => seen === ALL.length + 1,
    );
    await tab.checkedShots("list");
    await page.setViewportSize({ width: 390, height: 844 });
    await tab.shots("list-390");
    expect(await sideways(tab)).toBe(0);
    await page.setViewportSize({ width: 1_440, height: 900 });

    await page.getByText("Failed", { exact: true }).click();
    await until(
      () => rows.allTextContents(),
      (seen) => seen.length === 1 && (seen[0] ?? "").includes("order-17.refused"),
    );
    expect(page.url()).toContain("?status=failed");
    await page.reload();
    await page.getByText("live", { exact: true }).waitFor();
    expect(await rows.count()).toBe(1);
    await page.getByText("All", { exact: true }).click();
    await page.getByRole("combobox").fill("shipment");
    await until(
      () => rows.count(),
      (seen) => seen === 1,
    );
    await page.getByRole("combobox").fill("");
    await until(
      () => rows.count(),
      (seen) => seen === ALL.length + 1,
    );
    await rows.first().getByRole("link").focus();
    await page.keyboard.press("ArrowDown");
    const second = await rows.nth(1).getByRole("link").textContent();
    await page.keyboard.press("Enter");
    await page
      .locator(".run-head h1")
      .getByText(second ?? "")
      .waitFor();
    await tab.close();
  });
});

describe("when something is not there", () => {
  test("a run that does not exist is said not to", async () => {
    const tab = await Tab.open(browser, { allowed: /404/ });
    await tab.go("/runs/nobody");
    await tab.page.getByText("there is no run nobody").waitFor();
    await tab.shot("no-such-run");
    await tab.close();
  });

  test("a server that asks for a token is shown one", async () => {
    const tab = await Tab.open(browser, { allowed: /401/ });
    await tab.page.route("**/api/**", async (route) => {
      const cookie = (await route.request().allHeaders()).cookie ?? "";
      if (cookie.includes("dalsegno_token=t0ken")) return route.continue();
      const problem = { status: 401, code: "unauthorized", detail: "a token is needed" };
      return route.fulfill({ status: 401, json: problem });
    });
    await tab.go("/");
    await tab.page.getByLabel("Token").fill("t0ken");
    await tab.shot("token");
    await tab.page.getByRole("button", { name: "Enter" }).click();
    await tab.page.getByRole("row").filter({ hasText: "watched" }).waitFor();
    await tab.close();
  });

  test("a server that is gone and back: the page goes on where it was", async () => {
    await start("gated", "patient");
    const gate = await Gate.before(URL_OF_API);
    const tab = await Tab.open(browser, { allowed: /ERR_|Failed to load/ });
    const other = await Tab.open(browser, { allowed: /ERR_|Failed to load/ });
    try {
      await tab.go("/runs/patient", gate.url);
      await other.go("/", gate.url);
      for (const one of [tab, other]) {
        await one.page.getByText("live", { exact: true }).waitFor();
        await one.page.evaluate(() => Object.assign(globalThis, { isTheSamePage: true }));
      }
      await gate.shut();
      await tab.page.getByText("connection lost").waitFor();
      await other.page.getByText("connection lost").waitFor();
      await tab.shot("no-server-run");
      await go("patient");
      const { version } = await ended("patient");
      await other.page.getByText("Failed", { exact: true }).click();
      await other.page.getByText("The API server does not answer").waitFor();
      await other.checkedShots("no-server");
      await other.page.getByText("All", { exact: true }).click();
      await gate.mend();

      await tab.page.locator(".run-head .badge").getByText("completed").waitFor();
      await showsVersion(tab, "patient", version);
      const row = other.page.getByRole("row").filter({ hasText: "patient" });
      await row.getByText("completed").waitFor();
      await other.page.getByText("live", { exact: true }).waitFor();
      for (const one of [tab, other]) {
        expect(await one.page.evaluate(() => "isTheSamePage" in globalThis)).toBe(true);
      }
    } finally {
      await tab.close();
      await other.close();
      await gate.shut();
    }
  });
});
