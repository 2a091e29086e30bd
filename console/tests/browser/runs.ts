// Runs for the tests to look at, started as any program would start them.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ask, URL_OF_API, until } from "./harness";

const run = promisify(execFile);
const FOLDER = process.env.CONSOLE_FOLDER ?? ".";

/** What a command of Dal Segno prints, in the folder of the cluster. */
export async function dalsegno(...words: string[]): Promise<string> {
  const [command, ...rest] = (process.env.DALSEGNO ?? "dalsegno").split(" ");
  const done = await run(command ?? "", [...rest, ...words], {
    cwd: FOLDER,
    maxBuffer: 64 * 1024 * 1024,
  });
  return done.stdout;
}

async function tell(path: string, body: unknown): Promise<void> {
  const response = await fetch(`${URL_OF_API}/api/v1${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
}

export async function register(workflow: string): Promise<void> {
  const source = readFileSync(join(FOLDER, `${workflow}.yaml`), "utf8");
  await tell("/workflows", { source });
}

export async function start(workflow: string, id: string, input: unknown = {}): Promise<void> {
  await register(workflow);
  await tell("/runs", { workflow, run_id: id, input });
}

/** The signal that runs of `count` and `gated` wait for. */
export async function go(id: string): Promise<void> {
  await tell(`/runs/${encodeURIComponent(id)}/signals`, { name: "go" });
}

export interface ShownRun {
  status: string;
  version: number;
}

export async function ended(id: string): Promise<ShownRun> {
  return until(
    () => ask<ShownRun>(`/runs/${encodeURIComponent(id)}`),
    (seen) => ["completed", "failed", "cancelled"].includes(seen.status),
  );
}
