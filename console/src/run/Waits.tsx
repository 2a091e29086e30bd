import type { Moment } from "../api/model";
import { duration } from "../logic/format";
import { isOver } from "../logic/states";
import { StateIcon } from "../ui/Icon";

const WORDS: Record<string, string> = {
  signal: "a signal",
  timer: "a timer",
  run: "a child run",
  retry: "the next attempt",
  token: "completion by token",
  placement: "a node",
  node: "a result",
};

/** What somebody at this version would have had to wait for. */
export function Waits({ moment }: { moment: Moment }) {
  if (moment.waits.length === 0) {
    return <p className="quiet">{isOver(moment.status) ? "It is over." : "Nothing is awaited."}</p>;
  }
  return (
    <ul className="waits">
      {moment.waits.map((wait) => (
        <li key={`${wait.kind} ${wait.of}`}>
          <StateIcon tone={wait.kind === "node" ? "active" : "waiting"} />
          <span className="step-name">{WORDS[wait.kind] ?? wait.kind}</span>
          <span className="step-note">{wait.of}</span>
          <span className="step-time">
            {wait.until !== null && `in ${duration(Math.max(0, wait.until - moment.at))}`}
          </span>
        </li>
      ))}
    </ul>
  );
}
