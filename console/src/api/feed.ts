// Feeds: what the server tells by itself. The browser connects again and says where it was; what
// arrives in a burst is handed on together, so that a busy run does not draw the page for each event.

import { useEffect, useRef, useState } from "react";
import { BASE } from "./http";

export type Connection = "connecting" | "live" | "lost" | "ended";

const TOGETHER_MS = 80;

export interface Feed<T> {
  /** null: nothing is followed. */
  path: string | null;
  /** What the messages are called. */
  name: "run" | "event";
  take(told: T[]): void;
}

export function useFeed<T>({ path, name, take }: Feed<T>): Connection {
  const [connection, setConnection] = useState<Connection>("connecting");
  const hand = useRef(take);
  useEffect(() => {
    hand.current = take;
  });
  useEffect(() => {
    if (path === null) {
      setConnection("ended");
      return;
    }
    setConnection("connecting");
    const source = new EventSource(BASE + path);
    let gathered: T[] = [];
    let timer: number | undefined;
    const give = () => {
      timer = undefined;
      const told = gathered;
      gathered = [];
      hand.current(told);
    };
    source.addEventListener(name, (message: MessageEvent<string>) => {
      gathered.push(JSON.parse(message.data) as T);
      timer ??= window.setTimeout(give, TOGETHER_MS);
    });
    // There will be nothing more: without this the browser would come back for ever.
    source.addEventListener("end", () => {
      source.close();
      setConnection("ended");
    });
    source.onopen = () => setConnection("live");
    source.onerror = () => setConnection("lost");
    return () => {
      window.clearTimeout(timer);
      source.close();
    };
  }, [path, name]);
  return connection;
}
