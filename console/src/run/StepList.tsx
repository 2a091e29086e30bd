import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import type { StepAt } from "../api/model";
import { Link } from "../app/Link";
import { pathOfRun } from "../app/router";
import { count, duration } from "../logic/format";
import { staticOf } from "../logic/instances";
import { toneOf } from "../logic/states";
import { Icon, StateIcon } from "../ui/Icon";

interface Props {
  steps: readonly StepAt[];
  at: number;
  chosen: string | null;
  choose(step: string | null): void;
}

const ROW_PX = 40;

export function StepList({ steps, at, chosen, choose }: Props) {
  const box = useRef<HTMLUListElement>(null);
  const rows = useVirtualizer({
    count: steps.length,
    getScrollElement: () => box.current?.parentElement ?? null,
    estimateSize: () => ROW_PX,
    overscan: 10,
  });
  if (steps.length === 0) return <p className="quiet">No step is reached yet.</p>;
  return (
    <ul className="steps" ref={box} style={{ height: rows.getTotalSize() }}>
      {rows.getVirtualItems().map((item) => {
        const step = steps[item.index];
        if (step === undefined) return null;
        const id = staticOf(step.instance);
        return (
          <li key={step.instance} style={{ transform: `translateY(${item.start}px)` }}>
            <button
              type="button"
              className="step"
              aria-pressed={chosen === id}
              onClick={() => choose(id)}
            >
              <StateIcon tone={toneOf(step.status)} />
              <span className="step-name">{step.instance}</span>
              <span className="step-note">{tellingOf(step)}</span>
              <span className="step-time">{timeOf(step, at)}</span>
            </button>
            {step.child !== "" && (
              <Link to={pathOfRun(step.child)} className="child-link">
                <span className="hidden-text">child run {step.child}</span>
                <Icon name="open" />
              </Link>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function tellingOf(step: StepAt): string {
  const parts = [step.status.replaceAll("_", " ")];
  if (step.items !== null)
    parts.push(`${count(step.items.completed)} of ${count(step.items.count)}`);
  if (step.attempt > 1) parts.push(`attempt ${step.attempt}`);
  if (step.node !== "") parts.push(`on ${step.node}`);
  if (step.note !== "") parts.push(step.note);
  return parts.join(", ");
}

function timeOf(step: StepAt, at: number): string {
  if (step.startedAt === null) return "";
  return duration(Math.max(0, (step.endedAt ?? at) - step.startedAt));
}
