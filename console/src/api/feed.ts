// Feeds: what the server tells by itself. The browser connects again and says where it was; where it
// gives up, since something between answered with an error, the feed is opened anew after the last
// message. What arrives in a burst is handed on together, so that a busy run does not draw the page
// for each event.

import { useEffect, useRef, useState } from "react";
import { BASE } from "./http";

export type Connection = "connecting" | "live" | "lost" | "ended";

const TOGETHER_MS = 80;
const AGAIN_MS = 2_000;

export interface Feed<T> {
  /** null: nothing is followed. */
  path: string | null;
  /** What the messages are called. */
  name: "run" | "event";
  take(told: T[]): void;
  /** It begins, or begins again after it was lost. */
  opened?(): void;
}

export function useFeed<T>({ path, name, take, opened }: Feed<T>): Connection {
  const [connection, setConnection] = useState<Connection>("connecting");
  const hand = useRef({ take, opened });
  useEffect(() => {
    hand.current = { take, opened };
  });
  useEffect(() => {
    if (path === null) {
      setConnection("ended");
      return;
    }
    setConnection("connecting");
    return follow<T>(path, name, {
      take: (told) => hand.current.take(told),
      changed: (to) => {
        setConnection(to);
        if (to === "live") hand.current.opened?.();
      },
    });
  }, [path, name]);
  return connection;
}

interface Listener<T> {
  take(told: T[]): void;
  changed(to: Connection): void;
}

/** Returns what ends it. */
function follow<T>(path: string, name: string, listener: Listener<T>): () => void {
  let source: EventSource;
  let last = "";
  let gathered: T[] = [];
  let giving: number | undefined;
  let again: number | undefined;
  const give = () => {
    giving = undefined;
    const told = gathered;
    gathered = [];
    listener.take(told);
  };
  const open = () => {
    source = new EventSource(BASE + goingOn(path, last));
    source.addEventListener(name, (message: MessageEvent<string>) => {
      last = message.lastEventId || last;
      gathered.push(JSON.parse(message.data) as T);
      giving ??= window.setTimeout(give, TOGETHER_MS);
    });
    // There will be nothing more: without this the browser would come back for ever.
    source.addEventListener("end", () => {
      source.close();
      listener.changed("ended");
    });
    source.onopen = () => listener.changed("live");
    source.onerror = () => {
      listener.changed("lost");
      if (source.readyState === EventSource.CLOSED) again = window.setTimeout(open, AGAIN_MS);
    };
  };
  open();
  return () => {
    window.clearTimeout(giving);
    window.clearTimeout(again);
    source.close();
  };
}

/** The feed from after a message on, in place of where it began. */
export function goingOn(path: string, last: string): string {
  if (last === "") return path;
  const [before = "", search = ""] = path.split("?");
  const words = new URLSearchParams(search);
  words.set("after", last);
  return `${before}?${words}`;
}
