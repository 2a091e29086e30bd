// A real Chromium before a real API server. Whatever the page asks anybody else for, and whatever it
// complains of (which includes what its content security policy refused), fails the test.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

export const URL_OF_API = needed("CONSOLE_URL");
const SHOTS = needed("CONSOLE_SHOTS");
/** How many times longer than on a machine of one's own everything may take. */
export const PATIENCE = Number(process.env.PATIENCE ?? 1);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") {
    throw new Error(`${name} is not set: these tests are run by \`make test-browser\``);
  }
  return value;
}

export function launch(): Promise<Browser> {
  // What a browser keeps between its runs, it keeps in a folder that goes with the test.
  const home = join(needed("CONSOLE_FOLDER"), "home");
  mkdirSync(home, { recursive: true });
  return chromium.launch({
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
    executablePath: needed("CHROMIUM"),
    timeout: 30_000 * PATIENCE,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--force-color-profile=srgb",
      "--font-render-hinting=none",
    ],
  });
}

export interface Look {
  scheme?: "light" | "dark";
  width?: number;
  height?: number;
  /** What the page may complain of, where a test makes it. */
  allowed?: RegExp;
}

export class Tab {
  readonly complaints: string[] = [];
  readonly strangers: string[] = [];
  private readonly homes = new Set<string>();

  private constructor(readonly page: Page) {}

  static async open(browser: Browser, look: Look = {}): Promise<Tab> {
    const { scheme = "light", width = 1440, height = 900, allowed } = look;
    const context = await browser.newContext({
      colorScheme: scheme,
      viewport: { width, height },
      reducedMotion: "reduce",
      timezoneId: "UTC",
      locale: "en-GB",
    });
    context.setDefaultTimeout(30_000 * PATIENCE);
    const tab = new Tab(await context.newPage());
    const complain = (text: string) => {
      if (allowed === undefined || !allowed.test(text)) tab.complaints.push(text);
    };
    tab.page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complain(message.text());
    });
    tab.page.on("pageerror", (error) => complain(String(error)));
    tab.page.on("request", (request) => {
      const url = request.url();
      const isOurs = url.startsWith("blob:") || [...tab.homes].some((home) => url.startsWith(home));
      if (!isOurs) tab.strangers.push(url);
    });
    await tab.page.addInitScript(watchShifts);
    return tab;
  }

  /** `through`: another address of the same server. */
  async go(path: string, through = URL_OF_API): Promise<void> {
    this.homes.add(through);
    await this.page.goto(through + path);
  }

  async shot(name: string): Promise<void> {
    mkdirSync(SHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SHOTS, `${name}.png`) });
  }

  /** In both themes. */
  async shots(name: string): Promise<void> {
    for (const scheme of ["dark", "light"] as const) {
      await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
      await this.shot(`${name}-${scheme}`);
    }
  }

  /** In both themes, and with nothing in anybody's way in either, which takes a second for each. */
  async checkedShots(name: string): Promise<void> {
    for (const scheme of ["dark", "light"] as const) {
      await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      expect(await this.obstacles()).toEqual([]);
    }
    await this.shots(name);
  }

  /** How far things have jumped by themselves, as browsers count it: 0.1 is called good. */
  shifted(): Promise<number> {
    return this.page.evaluate(() => (globalThis as unknown as { shifted: number }).shifted);
  }

  /** What axe-core finds wrong, as one line each. */
  async obstacles(): Promise<string[]> {
    await this.page.evaluate(AXE);
    return this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      return violations.map((one) => {
        const places = one.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`);
        return `${one.id} (${one.impact}): ${places.join("; ")}`;
      });
    });
  }

  /** Nobody else was asked, nothing was complained of; then the tab is closed. */
  async close(): Promise<void> {
    await this.page.context().close();
    expect(this.strangers).toEqual([]);
    expect(this.complaints).toEqual([]);
  }
}

function watchShifts(): void {
  const holder = globalThis as unknown as { shifted: number };
  holder.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const shift = entry as PerformanceEntry & { value: number; hadRecentInput: boolean };
      if (!shift.hadRecentInput) holder.shifted += shift.value;
    }
  }).observe({ type: "layout-shift", buffered: true });
}

/** Asks the API as anybody could. */
export async function ask<T>(path: string): Promise<T> {
  const response = await fetch(`${URL_OF_API}/api/v1${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Waits until it is so, and says what it saw last if it never is. */
export async function until<T>(
  look: () => Promise<T>,
  isSo: (seen: T) => boolean,
  seconds = 30,
): Promise<T> {
  const deadline = Date.now() + seconds * PATIENCE * 1_000;
  for (;;) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (Date.now() > deadline) throw new Error(`never came: last seen ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
