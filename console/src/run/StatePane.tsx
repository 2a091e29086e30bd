// What was so at the version: variables with the event that set each, steps, what is awaited, result.

import { type KeyboardEvent, useId, useState } from "react";
import type { Json, Moment } from "../api/model";
import { count } from "../logic/format";
import { ErrorNotice, Loading } from "../ui/Notice";
import { ValueTree } from "../ui/ValueTree";
import { StepList } from "./StepList";
import { Waits } from "./Waits";

interface Props {
  moment: Moment | undefined;
  error: Error | null;
  chosen: string | null;
  choose(step: string | null): void;
  jump(version: number): void;
}

const TABS = ["variables", "steps", "awaited", "result"] as const;
type Tab = (typeof TABS)[number];

export function StatePane(props: Props) {
  const { moment, error } = props;
  const [tab, setTab] = useState<Tab>("variables");
  const id = useId();
  const turn = (event: KeyboardEvent<HTMLButtonElement>) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const next = TABS[(TABS.indexOf(tab) + by + TABS.length) % TABS.length] ?? tab;
    setTab(next);
    document.getElementById(`${id}-${next}`)?.focus();
  };
  return (
    <section className="pane pane-state" aria-label="State">
      <div className="tabs" role="tablist" aria-label="State at this version">
        {TABS.map((name) => (
          <button
            key={name}
            id={`${id}-${name}`}
            type="button"
            role="tab"
            aria-selected={tab === name}
            aria-controls={`${id}-panel`}
            tabIndex={tab === name ? 0 : -1}
            onClick={() => setTab(name)}
            onKeyDown={turn}
          >
            {name}
            <span className="tab-count">{moment === undefined ? "" : sizeOf(name, moment)}</span>
          </button>
        ))}
      </div>
      <div
        className="pane-body"
        role="tabpanel"
        id={`${id}-panel`}
        aria-labelledby={`${id}-${tab}`}
        tabIndex={0}
      >
        {moment === undefined ? (
          error === null ? (
            <Loading rows={4} label="Reading the state" />
          ) : (
            <ErrorNotice error={error} />
          )
        ) : (
          <Panel {...props} moment={moment} tab={tab} />
        )}
      </div>
    </section>
  );
}

function sizeOf(tab: Tab, moment: Moment): string {
  const sizes = {
    variables: moment.variables.length,
    steps: moment.steps.length,
    awaited: moment.waits.length,
    result: moment.error === null ? 0 : 1,
  };
  return sizes[tab] === 0 ? "" : count(sizes[tab]);
}

function Panel({ moment, tab, chosen, choose, jump }: Props & { moment: Moment; tab: Tab }) {
  switch (tab) {
    case "variables":
      return <Variables moment={moment} jump={jump} />;
    case "steps":
      return <StepList steps={moment.steps} at={moment.at} chosen={chosen} choose={choose} />;
    case "awaited":
      return <Waits moment={moment} />;
    case "result":
      return <Result moment={moment} />;
  }
}

function Variables({ moment, jump }: { moment: Moment; jump(version: number): void }) {
  return (
    <>
      {moment.variables.length === 0 ? (
        <p className="quiet">No variable is set.</p>
      ) : (
        <ul className="variables">
          {moment.variables.map((variable) => (
            <li key={variable.name} data-fresh={variable.setBy === moment.version}>
              <ValueTree name={variable.name} value={variable.value} />
              {variable.setBy > 0 && (
                <button
                  type="button"
                  className="version-link"
                  title={`Set by event ${variable.setBy}`}
                  onClick={() => jump(variable.setBy)}
                >
                  <span className="hidden-text">set by event </span>
                  {variable.setBy}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {moment.input !== null && (
        <div className="input">
          <h3>Input</h3>
          <ValueTree name="input" value={moment.input} isOpen={isShort(moment.input)} />
        </div>
      )}
    </>
  );
}

/** Then it can be opened at once without taking the place of what changes. */
function isShort(value: Json): boolean {
  return value !== null && typeof value === "object" && Object.keys(value).length <= 5;
}

function Result({ moment }: { moment: Moment }) {
  if (moment.error !== null) {
    const { code, step, message } = moment.error;
    return (
      <div className="result" data-tone="failed">
        <p>
          <strong className="mono">{code}</strong>
          {step !== "" && <> in {step}</>}
        </p>
        {message !== "" && <p>{message}</p>}
      </div>
    );
  }
  if (moment.status !== "completed") return <p className="quiet">The run has no result yet.</p>;
  return <ValueTree name="output" value={moment.output} isOpen />;
}
