// The events of the run. However many there are, only those in sight are read and drawn. The one that
// the reader is at is marked and kept in sight; those after it are pale: they have not happened yet.

import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useRef } from "react";
import type { RunEvent } from "../api/model";
import { clock, count } from "../logic/format";
import { staticOf } from "../logic/instances";
import { eventText, toneOfEvent } from "../logic/states";
import { firstOf, pageOf, pagesFor } from "../logic/windows";
import { StateIcon } from "../ui/Icon";
import { EventDetail } from "./EventDetail";
import { usePages } from "./usePages";

interface Props {
  id: string;
  last: number;
  version: number;
  chosen: string | null;
  jump(version: number): void;
}

const ROW_PX = 28;

export function EventsPane({ id, last, version, chosen, jump }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: last,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  // In the middle where there is room: what came before it and what comes after are of interest.
  useEffect(() => {
    if (version > 0) rows.scrollToIndex(version - 1, { align: "center" });
  }, [rows, version]);
  const items = rows.getVirtualItems();
  const first = (items[0]?.index ?? 0) + 1;
  const end = (items.at(-1)?.index ?? 0) + 1;
  const events = useWindow(id, first, end, last);
  const step = (event: KeyboardEvent<HTMLDivElement>) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    jump(Math.max(0, Math.min(last, version + by)));
  };
  return (
    <section className="pane pane-events" aria-label="Events">
      <h2 className="pane-title">
        Events <span className="faint">{count(last)}</span>
      </h2>
      <div
        className="pane-body events"
        ref={box}
        role="listbox"
        aria-label="Events of the run"
        aria-activedescendant={version > 0 ? `event-${version}` : undefined}
        tabIndex={0}
        onKeyDown={step}
      >
        <div className="events-all" style={{ height: rows.getTotalSize() }} role="presentation">
          {items.map((item) => (
            <EventRow
              key={item.index}
              version={item.index + 1}
              top={item.start}
              event={events(item.index + 1)}
              at={version}
              chosen={chosen}
              jump={jump}
            />
          ))}
        </div>
      </div>
      <EventDetail id={id} version={version} jump={jump} />
    </section>
  );
}

/** The events of the pages in sight, by version. */
function useWindow(id: string, first: number, end: number, last: number) {
  const pages = pagesFor(first, end, last);
  const read = usePages(id, pages, last);
  return (version: number): RunEvent | undefined => {
    const page = pageOf(version);
    return read[pages.indexOf(page)]?.[version - firstOf(page)];
  };
}

interface RowProps {
  version: number;
  top: number;
  event: RunEvent | undefined;
  at: number;
  chosen: string | null;
  jump(version: number): void;
}

function EventRow({ version, top, event, at, chosen, jump }: RowProps) {
  const isChosen = chosen !== null && event !== undefined && staticOf(event.step) === chosen;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list as a whole takes the keys
    <div
      id={`event-${version}`}
      className="event"
      role="option"
      aria-selected={version === at}
      tabIndex={-1}
      data-ahead={version > at}
      data-chosen={isChosen}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => jump(version)}
    >
      <span className="event-version">{version}</span>
      {event === undefined ? (
        <span className="loading-bar" />
      ) : (
        <>
          <StateIcon tone={toneOfEvent(event.type)} />
          <span className="event-type">{eventText(event.type)}</span>
          <span className="event-step">{event.step}</span>
          <span className="event-time">{clock(event.at)}</span>
        </>
      )}
    </div>
  );
}
