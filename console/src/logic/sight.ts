// Which part of a graph a window on it shows.

import type { Graph } from "./graph";
import type { Layout, Placed } from "./layout";

export interface Window {
  width: number;
  height: number;
}

/** A point (x, y) of the graph is seen at (x * zoom + this.x, y * zoom + this.y). */
export interface Viewport {
  x: number;
  y: number;
  zoom: number;
}

/** Below it names of steps cannot be read. */
export const READABLE = 0.72;

const MARGIN = 10;

/** The whole graph in the middle of the window, never larger than life. */
export function fitting(layout: Layout, window: Window): Viewport {
  const width = Math.max(1, window.width - 2 * MARGIN);
  const height = Math.max(1, window.height - 2 * MARGIN);
  const zoom = Math.max(
    0.1,
    Math.min(1, width / Math.max(1, layout.width), height / Math.max(1, layout.height)),
  );
  return {
    x: (window.width - layout.width * zoom) / 2,
    y: (window.height - layout.height * zoom) / 2,
    zoom,
  };
}

/** A step's place in the whole graph; the graph's beginning for a step that is not drawn. */
export function placeOf(graph: Graph, layout: Layout, id: string): Placed {
  const parents = new Map(graph.nodes.map((node) => [node.id, node.parent]));
  const own = layout.nodes.get(id);
  if (own === undefined) return { x: 0, y: layout.height / 2, width: 0, height: 0 };
  const place = { ...own };
  let parent = parents.get(id) ?? null;
  while (parent !== null) {
    const box = layout.nodes.get(parent);
    place.x += box?.x ?? 0;
    place.y += box?.y ?? 0;
    parent = parents.get(parent) ?? null;
  }
  return place;
}

/** The place in the middle, but nothing beyond the graph's ends where it is larger than the window. */
export function centred(place: Placed, layout: Layout, window: Window, zoom: number): Viewport {
  const x = window.width / 2 - (place.x + place.width / 2) * zoom;
  const y = window.height / 2 - (place.y + place.height / 2) * zoom;
  return {
    x: held(x, window.width, layout.width * zoom),
    y: held(y, window.height, layout.height * zoom),
    zoom,
  };
}

function held(at: number, window: number, whole: number): number {
  if (whole + 2 * MARGIN <= window) return (window - whole) / 2;
  return Math.max(window - whole - MARGIN, Math.min(MARGIN, at));
}

export function isInSight(place: Placed, viewport: Viewport, window: Window): boolean {
  const { zoom } = viewport;
  const left = place.x * zoom + viewport.x;
  const top = place.y * zoom + viewport.y;
  return (
    left >= 0 &&
    top >= 0 &&
    left + place.width * zoom <= window.width &&
    top + place.height * zoom <= window.height
  );
}
