// A JSON value as rows that can be folded, so that a list of a thousand is a row until it is opened.

import type { Json } from "../api/model";

export interface Row {
  path: string;
  key: string;
  depth: number;
  /** What is shown beside the key: the value, or for a folded one what is in it. */
  text: string;
  kind: "null" | "boolean" | "number" | "string" | "list" | "object" | "more";
  foldable: boolean;
  open: boolean;
}

/** Of a list or object, so many entries are shown before the reader asks for more. */
export const ENTRIES_SHOWN = 100;

export function rowsOf(
  key: string,
  value: Json,
  open: ReadonlySet<string>,
  path = key,
  depth = 0,
): Row[] {
  const foldable = !isEmpty(value);
  const isOpen = foldable && open.has(path);
  const row: Row = {
    path,
    key,
    depth,
    text: preview(value),
    kind: kindOf(value),
    foldable,
    open: isOpen,
  };
  if (!isOpen) return [row];
  const entries = entriesOf(value);
  row.text = sizeText(value, entries.length);
  const all = open.has(`${path} …`);
  const shown = all ? entries : entries.slice(0, ENTRIES_SHOWN);
  const rows = shown.flatMap(([name, one]) =>
    rowsOf(name, one, open, `${path}.${name}`, depth + 1),
  );
  if (shown.length < entries.length) {
    const text = `${entries.length - shown.length} more`;
    const more = { path: `${path} …`, key: "…", depth: depth + 1, text, kind: "more" } as const;
    rows.push({ ...more, foldable: true, open: false });
  }
  return [row, ...rows];
}

function entriesOf(value: Json): [string, Json][] {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value);
}

function isEmpty(value: Json): boolean {
  if (value === null || typeof value !== "object") return true;
  for (const _ in value) return false;
  return true;
}

export function kindOf(value: Json): Row["kind"] {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (typeof value === "object") return "object";
  return typeof value as "boolean" | "number" | "string";
}

function sizeText(value: Json, size: number): string {
  if (Array.isArray(value)) return size === 1 ? "1 item" : `${size} items`;
  return size === 1 ? "1 entry" : `${size} entries`;
}

/** One line of a value, at most `most` characters. O(what is shown), not O(the value). */
export function preview(value: Json, most = 80): string {
  if (value === null || typeof value !== "object") {
    const text = typeof value === "string" ? JSON.stringify(value.slice(0, most)) : String(value);
    return shortened(text, most);
  }
  const isList = Array.isArray(value);
  let text = isList ? "[" : "{";
  for (const name in value) {
    const one = preview((value as { [key: string]: Json })[name] ?? null, most);
    text += `${text.length > 1 ? ", " : ""}${isList ? "" : `${name}: `}${one}`;
    if (text.length > most) return `${text.slice(0, most - 1)}…`;
  }
  return text + (isList ? "]" : "}");
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
