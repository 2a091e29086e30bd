// The event that the reader is at, whole: why it came about, what it changed, and what is stored of it.
// Why and what are asked for when the reader has rested there: a slider passes many versions.

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Change, Tie } from "../api/model";
import { changesOptions, eventsOptions, reasonOptions } from "../api/queries";
import { Link } from "../app/Link";
import { pathOfRun } from "../app/router";
import { eventText } from "../logic/states";
import { preview } from "../logic/values";
import { firstOf, pageOf } from "../logic/windows";
import { ValueTree } from "../ui/ValueTree";
import { useRested } from "./useRested";

const REST_MS = 250;
const SHOWN = 8;
const CHARS = 60;

interface Props {
  id: string;
  version: number;
  jump(version: number): void;
}

/** Its place is always there, so nothing jumps. */
export function EventDetail({ id, version, jump }: Props) {
  const page = useQuery({ ...eventsOptions(id, pageOf(version)), enabled: version > 0 });
  const event = version > 0 ? page.data?.[version - firstOf(pageOf(version))] : undefined;
  const rested = useRested(version, REST_MS);
  return (
    <div className="event-detail" role="group" aria-label="The event" tabIndex={0}>
      {version === 0 && <p className="quiet">Before the first event.</p>}
      {event !== undefined && (
        <>
          <p className="event-head">
            <strong>{event.type}</strong>
            <span className="faint"> by {event.actor || "system"}</span>
          </p>
          {rested === version && <Why id={id} version={version} jump={jump} />}
          {rested === version && <Changes id={id} version={version} />}
          <ValueTree key={event.version} name="data" value={event.data} isOpen />
        </>
      )}
    </div>
  );
}

function Why({ id, version, jump }: Props) {
  const { data: reason } = useQuery(reasonOptions(id, version));
  if (reason === undefined) return null;
  return (
    <div className="why">
      <p className="why-sentence">{reason.sentence}</p>
      <Ties word="from" ties={reason.causes} jump={jump} />
      <Ties word="led to" ties={reason.effects} jump={jump}>
        {reason.more > 0 && <span className="faint">and {reason.more} more</span>}
      </Ties>
    </div>
  );
}

interface TiesProps {
  word: string;
  ties: Tie[];
  jump(version: number): void;
  children?: ReactNode;
}

function Ties({ word, ties, jump, children }: TiesProps) {
  if (ties.length === 0) return null;
  return (
    <p className="ties">
      <span className="faint">{word}</span>
      {ties.slice(0, SHOWN).map((tie) => (
        <TieLink key={`${tie.run} ${tie.version}`} tie={tie} jump={jump} />
      ))}
      {ties.length > SHOWN && <span className="faint">and {ties.length - SHOWN} more</span>}
      {children}
    </p>
  );
}

function TieLink({ tie, jump }: { tie: Tie; jump(version: number): void }) {
  const text = `${tie.version} ${eventText(tie.type)}${tie.step === "" ? "" : ` ${tie.step}`}`;
  if (tie.run !== "") {
    return (
      <Link to={`${pathOfRun(tie.run)}?at=${tie.version}`} className="tie">
        {tie.run}: {text}
      </Link>
    );
  }
  return (
    <button type="button" className="tie" title={tie.sentence} onClick={() => jump(tie.version)}>
      {text}
    </button>
  );
}

function Changes({ id, version }: { id: string; version: number }) {
  const { data: found } = useQuery(changesOptions(id, version));
  if (found === undefined || found.length === 0) return null;
  return (
    <ul className="changes" aria-label="What it changed">
      {found.slice(0, SHOWN).map((change) => (
        <li key={change.path} data-kind={change.kind}>
          <span className="change-path">{change.path}</span>{" "}
          <span className="change-values">{valuesOf(change)}</span>
        </li>
      ))}
      {found.length > SHOWN && <li className="faint">and {found.length - SHOWN} more</li>}
    </ul>
  );
}

function valuesOf({ kind, before, after }: Change): string {
  if (kind === "added") return preview(after, CHARS);
  if (kind === "removed") return preview(before, CHARS);
  return `${preview(before, CHARS)} → ${preview(after, CHARS)}`;
}
