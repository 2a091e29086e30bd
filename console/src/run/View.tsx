// What of the graph is in sight. A graph that can be read as a whole is shown as a whole. Of any other
// the step in question is kept in sight, until the reader takes the graph in hand.

import { MiniMap, type Node, Panel, useReactFlow, useStore } from "@xyflow/react";
import { type RefObject, useCallback, useEffect, useState } from "react";
import type { Graph } from "../logic/graph";
import type { Layout } from "../logic/layout";
import type { Marks } from "../logic/marks";
import { centred, fitting, isInSight, placeOf, READABLE } from "../logic/sight";
import type { StepData } from "./FlowNodes";

/** Below it nothing can be read, and colours alone are shown. */
const FAR = 0.4;

interface Props {
  box: RefObject<HTMLDivElement | null>;
  layout: Layout;
  graph: Graph;
  marks: Marks;
  focus: string;
}

export function View({ box, layout, graph, marks, focus }: Props) {
  const { getViewport, setViewport, zoomIn, zoomOut } = useReactFlow();
  const [follows, setFollows] = useState(true);
  const size = useSize(box);
  const whole = fitting(layout, size);
  const isSmall = whole.zoom >= READABLE;
  const showWhole = useCallback(() => void setViewport(whole), [setViewport, whole]);
  const wanted = focus !== "" ? focus : activeOf(graph, marks);

  // biome-ignore lint/correctness/useExhaustiveDependencies: anew for another pane or graph alone
  useEffect(() => {
    if (size.width === 0) return;
    if (isSmall || !follows) void setViewport(whole);
    else void setViewport(centred(placeOf(graph, layout, wanted), layout, size, READABLE));
  }, [layout, size]);

  useEffect(() => {
    if (!follows || isSmall || size.width === 0) return;
    const place = placeOf(graph, layout, wanted);
    const viewport = getViewport();
    if (isInSight(place, viewport, size)) return;
    void setViewport(centred(place, layout, size, viewport.zoom), { duration: calm() ? 0 : 180 });
  }, [wanted, follows, isSmall, graph, layout, size, getViewport, setViewport]);

  useEffect(() => {
    const pane = box.current;
    if (pane === null) return;
    const taken = () => setFollows(false);
    pane.addEventListener("wheel", taken, { passive: true });
    return () => pane.removeEventListener("wheel", taken);
  }, [box]);

  const isFar = useStore((state) => state.transform[2] < FAR);
  useEffect(() => {
    if (box.current !== null) box.current.dataset.far = String(isFar);
  }, [box, isFar]);

  return (
    <>
      <Panel position="bottom-left" className="zoom">
        <button type="button" aria-label="Smaller" onClick={() => void zoomOut()}>
          −
        </button>
        <button
          type="button"
          onClick={() => {
            setFollows(false);
            showWhole();
          }}
        >
          Whole
        </button>
        <button type="button" aria-label="Larger" onClick={() => void zoomIn()}>
          +
        </button>
        {!isSmall && (
          <button type="button" aria-pressed={follows} onClick={() => setFollows(!follows)}>
            Follow
          </button>
        )}
      </Panel>
      {!isSmall && (
        <MiniMap<Node<StepData>>
          className="minimap"
          pannable
          ariaLabel="The whole graph"
          nodeClassName={(node) => `tone-${node.data.mark.tone}`}
          nodeBorderRadius={6}
          style={{ width: 150, height: 84 }}
        />
      )}
    </>
  );
}

function activeOf(graph: Graph, marks: Marks): string {
  const active = graph.nodes.find((node) => marks.nodes.get(node.id)?.tone === "active");
  const end = graph.nodes.find((node) => node.kind === "end" && node.parent === null);
  const isOver = end !== undefined && marks.nodes.get(end.id)?.tone === "done";
  return active?.id ?? (isOver ? end.id : "");
}

function calm(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function useSize(box: RefObject<HTMLElement | null>): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const found = box.current;
    if (found === null) return;
    const look = () => setSize({ width: found.clientWidth, height: found.clientHeight });
    const watcher = new ResizeObserver(look);
    watcher.observe(found);
    return () => watcher.disconnect();
  }, [box]);
  return size;
}
