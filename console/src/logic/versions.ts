// Where the reader is in a run's history: a version that stays, or the newest one, which moves along
// with a live run. Version 0 is before the first event.

export interface Place {
  /** null: live, that is the newest version, whichever that is. */
  at: number | null;
}

export function versionOf(place: Place, last: number): number {
  return place.at === null ? last : clamp(place.at, last);
}

export function clamp(version: number, last: number): number {
  return Math.max(0, Math.min(last, Math.round(version)));
}

/** By `by` versions; forward beyond the end is live again, also where one was live already. */
export function moved(place: Place, by: number, last: number): Place {
  const version = versionOf(place, last) + by;
  return version >= last ? { at: null } : { at: clamp(version, last) };
}

export function jumped(version: number, last: number): Place {
  return version >= last ? { at: null } : { at: clamp(version, last) };
}

/** How far a page key goes: a twentieth of the history, at least 10 versions. */
export function stride(last: number): number {
  return Math.max(10, Math.round(last / 20));
}

/** What a key does on the slider, or undefined for any other key. */
export function keyed(place: Place, key: string, last: number, shift: boolean): Place | undefined {
  const one = shift ? 10 : 1;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return moved(place, -one, last);
    case "ArrowRight":
    case "ArrowUp":
      return moved(place, one, last);
    case "PageDown":
      return moved(place, -stride(last), last);
    case "PageUp":
      return moved(place, stride(last), last);
    case "Home":
      return jumped(0, last);
    case "End":
      return { at: null };
    default:
      return undefined;
  }
}

/** The version under a place on the track: `share` is 0 at its left end, 1 at its right end. */
export function versionAt(share: number, last: number): number {
  return clamp(share * last, last);
}

export function shareOf(version: number, last: number): number {
  return last === 0 ? 1 : version / last;
}

/** `?at=17` of an address; anything else is live. */
export function placeOf(search: string): Place {
  const text = new URLSearchParams(search).get("at");
  return text !== null && /^\d{1,9}$/.test(text) ? { at: Number(text) } : { at: null };
}

export function searchOf(place: Place): string {
  return place.at === null ? "" : `?at=${place.at}`;
}

/** Versions to have at hand when one is looked at: those a key press away, the likelier ones first. */
export function neighbours(version: number, last: number): number[] {
  return [version - 1, version + 1, version - 2, version + 2].filter(
    (one) => one >= 0 && one <= last,
  );
}

/** A history that is read at every version while it is dragged through; a longer one only at rests. */
export const SMOOTH_VERSIONS_MAX = 2_000;

/** How long a drag has to rest before the state there is asked for, in milliseconds. */
export function restMs(last: number): number {
  return last <= SMOOTH_VERSIONS_MAX ? 0 : 120;
}
