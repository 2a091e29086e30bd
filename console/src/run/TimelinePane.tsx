// When each step was at work. The line is the instant of the event that the reader is at; what came
// after it is there only as a shadow.

import { memo, useEffect, useMemo, useRef, useState } from "react";
import type { Moment, RunDetail } from "../api/model";
import { duration, ticks } from "../logic/format";
import { type Bar, drawn, type Lane, phaseOf } from "../logic/lanes";
import { Loading } from "../ui/Notice";
import { useNow } from "../ui/useNow";
import { WHOLE_MAX } from "./useHistory";

interface Props {
  run: RunDetail;
  lanes: Lane[] | null;
  moment: Moment | undefined;
  /** The step that the event at this version is about: its row is kept in sight. */
  focus: string;
  chosen: string | null;
  choose(step: string | null): void;
  jump(version: number): void;
}

const ROW_PX = 30;
const AXIS_PX = 22;
const LABEL_PX = 132;

export function TimelinePane(props: Props) {
  const { run, lanes } = props;
  return (
    <section className="pane pane-timeline" aria-label="Timeline">
      <h2 className="pane-title">Timeline</h2>
      {lanes !== null ? (
        lanes.length === 0 ? (
          <p className="quiet">No task has begun yet.</p>
        ) : (
          <Chart {...props} lanes={lanes} />
        )
      ) : run.version > WHOLE_MAX ? (
        <p className="quiet">
          A history of more than {WHOLE_MAX} events is not drawn as a timeline.
        </p>
      ) : (
        <Loading rows={3} label="Reading the history" />
      )}
    </section>
  );
}

function Chart({ run, lanes, moment, focus, chosen, choose, jump }: Props & { lanes: Lane[] }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box) - LABEL_PX;
  const [start, end] = useSpan(run, lanes);
  const scale = Math.max(1, width) / Math.max(1, end - start);
  const at = moment?.at ?? 0;
  const marks = ticks(end - start, Math.max(2, Math.floor(width / 90)));
  const line = LABEL_PX + Math.max(0, Math.min(width, (Math.max(at, start) - start) * scale));
  const row = lanes.findIndex((lane) => lane.step === focus);
  useEffect(() => {
    if (box.current !== null && row >= 0) box.current.scrollTop = topFor(row, box.current);
  }, [row]);
  return (
    <div
      className="pane-body timeline"
      ref={box}
      role="group"
      aria-label="Steps over time"
      tabIndex={0}
    >
      <div className="timeline-axis" aria-hidden="true">
        {marks.map((mark) => (
          <span key={mark} style={{ left: LABEL_PX + mark * scale }}>
            {mark === 0 ? "0" : duration(mark)}
          </span>
        ))}
      </div>
      <div className="timeline-rows">
        <div className="timeline-grid" aria-hidden="true">
          {marks.map((mark) => (
            <i key={mark} style={{ left: LABEL_PX + mark * scale }} />
          ))}
        </div>
        {lanes.map((lane) => (
          <div key={lane.step} className="timeline-row" data-chosen={chosen === lane.step}>
            <button
              type="button"
              className="timeline-label"
              aria-pressed={chosen === lane.step}
              onClick={() => choose(lane.step)}
            >
              {lane.step}
            </button>
            <Bars
              lane={lane}
              start={start}
              end={end}
              width={width}
              {...seenBy(lane, moment?.version ?? 0, at)}
              jump={jump}
            />
          </div>
        ))}
        <div
          className="timeline-now"
          style={{ transform: `translateX(${line}px)` }}
          aria-hidden="true"
        />
      </div>
    </div>
  );
}

/** Before its first bar and after its last one a row looks the same at any version. */
function seenBy(lane: Lane, version: number, at: number): { version: number; at: number } {
  const first = Math.min(...lane.bars.map((bar) => bar.from));
  const last = Math.max(...lane.bars.map((bar) => bar.to ?? Number.MAX_SAFE_INTEGER));
  if (version < first) return { version: 0, at: 0 };
  return version >= last ? { version: last, at: 0 } : { version, at };
}

/** Where to scroll to, so that a row is in sight with its neighbours; where it is, if it is. */
function topFor(row: number, box: HTMLElement): number {
  const room = box.clientHeight - AXIS_PX;
  const [first, last] = [(row - 1) * ROW_PX, (row + 2) * ROW_PX];
  if (first < box.scrollTop) return Math.max(0, first);
  return last > box.scrollTop + room ? last - room : box.scrollTop;
}

interface BarsProps {
  lane: Lane;
  start: number;
  end: number;
  width: number;
  version: number;
  at: number;
  jump(version: number): void;
}

const Bars = memo(function Bars({ lane, start, end, width, version, at, jump }: BarsProps) {
  const scale = Math.max(1, width) / Math.max(1, end - start);
  const bars = useMemo(() => drawn(lane.bars, 1 / scale), [lane, scale]);
  const height = Math.floor((ROW_PX - 10) / lane.lanes);
  return (
    <svg className="bars" width={Math.max(0, width)} height={ROW_PX} aria-hidden="true">
      {bars.map((bar) => {
        const phase = phaseOf(bar, version);
        const x = (bar.start - start) * scale;
        const whole = ((bar.end ?? end) - start) * scale - x;
        const seen = phase === "under way" ? Math.max(0, (at - start) * scale - x) : whole;
        const shape = {
          x,
          y: 5 + bar.lane * height,
          height: Math.max(2, height - (lane.lanes > 1 ? 1 : 0)),
        };
        return (
          // biome-ignore lint/a11y/noStaticElementInteractions: for the pointer; keys have the list of events
          <g key={bar.from} data-kind={bar.kind} onClick={() => jump(bar.from)}>
            <title>{titleOf(bar)}</title>
            {phase !== "over" && (
              <rect className="bar-ahead" {...shape} width={Math.max(2, whole)} rx={2} />
            )}
            {phase !== "ahead" && (
              <rect
                className="bar"
                data-outcome={phase === "over" ? bar.outcome : ""}
                {...shape}
                width={Math.max(2, seen)}
                rx={2}
              />
            )}
          </g>
        );
      })}
    </svg>
  );
});

const KINDS = {
  attempt: "attempt",
  wait: "wait",
  call: "child run",
  retry: "pause before the next attempt",
};

function titleOf(bar: Bar): string {
  const what = bar.kind === "attempt" ? `attempt ${bar.attempt} on ${bar.node}` : KINDS[bar.kind];
  const took = bar.end === null ? "goes on" : duration(bar.end - bar.start);
  return `${bar.instance}: ${what}, ${took}`;
}

/** From the run's beginning to its end, or to the present. */
function useSpan(run: RunDetail, lanes: Lane[]): [number, number] {
  const now = useNow(run.endedAt === null ? 500 : 3_600_000);
  const first = Math.min(...lanes.flatMap((lane) => lane.bars.map((bar) => bar.start)));
  const start = Math.min(run.startedAt ?? first, first);
  if (run.endedAt !== null) return [start, Math.max(run.endedAt, start + 1)];
  return [start, Math.max(now, start + 1)];
}

function useWidth(box: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const found = box.current;
    if (found === null) return;
    const watcher = new ResizeObserver(() => setWidth(found.clientWidth - 28));
    watcher.observe(found);
    return () => watcher.disconnect();
  }, [box]);
  return width;
}
