// Nets for tests, from the JSON that the API gives.

import { readFileSync } from "node:fs";
import type { Net } from "../src/api/model";
import { netOf, type StoredNet } from "../src/api/nets";

export function netFrom(name: string): Net {
  const text = readFileSync(new URL(`fixtures/${name}.net.json`, import.meta.url), "utf8");
  return netOf(JSON.parse(text) as StoredNet);
}
