import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useColourScheme } from "../app/theme";

interface Props {
  /** How much is under way right after each event, from version 1 on. */
  values: number[] | null;
  last: number;
}

/** Behind the slider: where much was going on. The slider says the same in words. */
export function Activity({ values, last }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const scheme = useColourScheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew in the colours of a scheme
  useEffect(() => {
    const box = place.current;
    if (box === null) return;
    const made = new uPlot(options(box), [[0], [0]], box);
    chart.current = made;
    const watcher = new ResizeObserver(() => {
      made.setSize({ width: box.clientWidth, height: box.clientHeight });
    });
    watcher.observe(box);
    return () => {
      watcher.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [scheme]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a chart in another scheme begins empty
  useEffect(() => {
    const shown = values ?? [];
    chart.current?.setData([
      [0, ...shown.map((_, index) => index + 1)],
      [0, ...shown],
    ]);
    chart.current?.setScale("x", { min: 0, max: Math.max(1, last) });
  }, [values, last, scheme]);
  return <div className="activity" ref={place} aria-hidden="true" />;
}

function options(box: HTMLElement): uPlot.Options {
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const style = getComputedStyle(box);
  return {
    width: box.clientWidth,
    height: box.clientHeight,
    padding: [3, 0, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    axes: [{ show: false }, { show: false }],
    scales: {
      x: { time: false, auto: false, range: (_, min, max) => [min, max] },
      y: { range: (_, __, max) => [0, Math.max(1, max) * 1.05] },
    },
    series: [
      {},
      {
        stroke: style.color,
        fill: style.borderTopColor,
        width: 1,
        points: { show: false },
        ...(stepped ? { paths: stepped } : {}),
      },
    ],
  };
}
