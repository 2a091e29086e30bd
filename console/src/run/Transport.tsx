// The time slider and its keys. Its track is the history: each event has the same width, however long
// the time between them was; the line above it says how much was under way.

import { type KeyboardEvent, useEffect, useState } from "react";
import type { Moment } from "../api/model";
import { clock, count } from "../logic/format";
import { eventText, toneOfEvent } from "../logic/states";
import { jumped, keyed, moved, type Place, shareOf } from "../logic/versions";
import { type Glyph, Icon, StateIcon } from "../ui/Icon";
import { Activity } from "./Activity";

interface Props {
  place: Place;
  last: number;
  version: number;
  moment: Moment | undefined;
  step: string;
  isBehind: boolean;
  activity: number[] | null;
  move(place: Place): void;
}

const PLAY_MS = 350;

export function Transport(props: Props) {
  const { place, last, version, moment, step, isBehind, activity, move } = props;
  const [playing, setPlaying] = usePlaying(place, last, move);
  useKeys(place, last, move, setPlaying);
  const to = (next: Place) => {
    setPlaying(false);
    move(next);
  };
  const slide = (event: KeyboardEvent<HTMLInputElement>) => {
    const next = keyed(place, event.key, last, event.shiftKey);
    if (next === undefined) return;
    event.preventDefault();
    to(next);
  };
  return (
    <section className="transport" aria-label="Time" data-behind={isBehind}>
      <div className="transport-keys">
        <Key glyph="first" label="To the beginning" onPress={() => to(jumped(0, last))} />
        <Key glyph="back" label="Back by one event" onPress={() => to(moved(place, -1, last))} />
        <Key
          glyph={playing ? "pause" : "play"}
          label={playing ? "Stop" : "Play the history"}
          onPress={() => setPlaying(!playing)}
        />
        <Key glyph="forward" label="On by one event" onPress={() => to(moved(place, 1, last))} />
        <Key glyph="last" label="To the newest event" onPress={() => to({ at: null })} />
      </div>
      <output className="transport-told" aria-live="off">
        <strong className="transport-version">{count(version)}</strong>
        <span className="faint"> of {count(last)}</span>
        <span className="transport-event">
          {moment !== undefined && moment.type !== "" && (
            <>
              <StateIcon tone={toneOfEvent(moment.type)} />
              <span className="transport-type">{eventText(moment.type)}</span>
              <span className="transport-step">{step}</span>
            </>
          )}
        </span>
        <span className="faint mono">
          {moment !== undefined && moment.at > 0 && clock(moment.at)}
        </span>
      </output>
      <div className="track" style={{ "--share": shareOf(version, last) } as React.CSSProperties}>
        <Activity values={activity} last={last} />
        <input
          type="range"
          className="slider"
          min={0}
          max={last}
          step={1}
          value={version}
          aria-label="Version"
          aria-valuetext={`version ${version} of ${last}${moment ? `, ${eventText(moment.type)}` : ""}`}
          onChange={(event) => to(jumped(Number(event.target.value), last))}
          onKeyDown={slide}
        />
      </div>
    </section>
  );
}

function Key({ glyph, label, onPress }: { glyph: Glyph; label: string; onPress(): void }) {
  return (
    <button type="button" className="key" aria-label={label} title={label} onClick={onPress}>
      <Icon name={glyph} />
    </button>
  );
}

/** Event after event; from the beginning where it stands at the end. */
function usePlaying(place: Place, last: number, move: (place: Place) => void) {
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    const timer = window.setTimeout(() => {
      const next = moved(place, 1, last);
      move(next);
      if (next.at === null) setPlaying(false);
    }, PLAY_MS);
    return () => window.clearTimeout(timer);
  }, [playing, place, last, move]);
  const toggle = (to: boolean) => {
    if (to && place.at === null) move(jumped(0, last));
    setPlaying(to);
  };
  return [playing, toggle] as const;
}

/** Anywhere on the page, unless the reader types: comma and full stop step, L is live. */
function useKeys(
  place: Place,
  last: number,
  move: (place: Place) => void,
  setPlaying: (to: boolean) => void,
): void {
  useEffect(() => {
    const pressed = (event: globalThis.KeyboardEvent) => {
      if (event.altKey || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      const next = placeFor(event.key, place, last);
      if (next === undefined) return;
      event.preventDefault();
      setPlaying(false);
      move(next);
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  });
}

function placeFor(key: string, place: Place, last: number): Place | undefined {
  if (key === ",") return moved(place, -1, last);
  if (key === ".") return moved(place, 1, last);
  return key === "l" ? { at: null } : undefined;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement && target.type !== "range" && target.type !== "radio";
}
