import type { Connection } from "../api/feed";

const WORDS: Record<Connection, string> = {
  connecting: "connecting",
  live: "live",
  lost: "connection lost, trying again",
  ended: "ended",
};

export function Live({ connection }: { connection: Connection }) {
  return (
    <span className="live" data-connection={connection} role="status">
      <span className="live-dot" aria-hidden="true" />
      {WORDS[connection]}
    </span>
  );
}
