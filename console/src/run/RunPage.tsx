// A run, at any version of its history: one place, which graph, state, timeline and events share.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import type { Moment, RunDetail, RunEvent } from "../api/model";
import { eventsOptions, momentOptions, useNet, useRun } from "../api/queries";
import { go, pathOfRun, useAddress } from "../app/router";
import { staticOf } from "../logic/instances";
import { childrenOf, lanesOf, underWay } from "../logic/lanes";
import { neighbours, type Place, placeOf, restMs, searchOf, versionOf } from "../logic/versions";
import { firstOf, pageOf } from "../logic/windows";
import { ErrorNotice, Loading } from "../ui/Notice";
import { EventsPane } from "./EventsPane";
import { GraphPane } from "./GraphPane";
import { RunHead } from "./RunHead";
import { StatePane } from "./StatePane";
import { TimelinePane } from "./TimelinePane";
import { Transport } from "./Transport";
import { useHistory } from "./useHistory";
import { useRested } from "./useRested";

export default function RunPage({ id }: { id: string }) {
  const run = useRun(id);
  useEffect(() => {
    document.title = `${id} · Dal Segno`;
  }, [id]);
  if (run.data === undefined) {
    return (
      <>
        <h1 className="hidden-text">Run {id}</h1>
        {run.isPending ? (
          <Loading rows={8} label="Reading the run" />
        ) : (
          <ErrorNotice error={run.error} retry={() => void run.refetch()} />
        )}
      </>
    );
  }
  return <Opened run={run.data} />;
}

function Opened({ run }: { run: RunDetail }) {
  const { last, connection, events } = useHistory(run);
  const [place, setPlace] = usePlace(run.id);
  const version = versionOf(place, last);
  const rested = useRested(version, restMs(last));
  const moment = useMoment(run.id, rested, last);
  const net = useNet(run.workflow, run.workflowVersion);
  const lanes = useMemo(() => (events === null ? null : lanesOf(events)), [events]);
  const activity = useMemo(
    () => (events === null || lanes === null ? null : underWay(events, lanes)),
    [events, lanes],
  );
  const children = useMemo(() => childrenOf(lanes ?? []), [lanes]);
  const [step, setStep] = useState<string | null>(null);
  const choose = (chosen: string | null) => setStep((now) => (now === chosen ? null : chosen));
  const shown = useMemo(() => withChildren(moment.data, children), [moment.data, children]);
  const event = useEvent(run.id, shown?.version ?? 0);
  return (
    <div className="run">
      <RunHead run={run} connection={connection} last={last} origin={shown?.origin ?? null} />
      <Transport
        place={place}
        last={last}
        version={version}
        moment={shown}
        step={event?.step ?? ""}
        isBehind={shown?.version !== version}
        activity={activity}
        move={setPlace}
      />
      <div className="panes">
        <div className="column">
          <GraphPane
            net={net.data}
            error={net.error}
            moment={shown}
            focus={staticOf(event?.step ?? "")}
            chosen={step}
            choose={choose}
          />
          <TimelinePane
            run={run}
            lanes={lanes}
            moment={shown}
            focus={staticOf(event?.step ?? "")}
            chosen={step}
            choose={choose}
            jump={(to) => setPlace({ at: to })}
          />
        </div>
        <div className="column">
          <StatePane
            moment={shown}
            error={moment.error}
            chosen={step}
            choose={choose}
            jump={(to) => setPlace({ at: to })}
          />
          <EventsPane
            id={run.id}
            last={last}
            version={version}
            chosen={step}
            jump={(to) => setPlace({ at: to })}
          />
        </div>
      </div>
    </div>
  );
}

/** A step tells of its child run while that is open; which one it was is told by the events. */
function withChildren(moment: Moment | undefined, children: ReadonlyMap<string, string>) {
  if (moment === undefined || children.size === 0) return moment;
  const steps = moment.steps.map((step) => {
    return step.child === "" ? { ...step, child: children.get(step.instance) ?? "" } : step;
  });
  return { ...moment, steps };
}

/** In the address, at most some ten times a second: browsers refuse more. */
function usePlace(id: string): [Place, (place: Place) => void] {
  const { search } = useAddress();
  const [place, setPlace] = useState<Place>(() => placeOf(search));
  const told = searchOf(place);
  useEffect(() => {
    const timer = window.setTimeout(() => go(pathOfRun(id) + told, "replace"), 150);
    return () => window.clearTimeout(timer);
  }, [id, told]);
  return [place, setPlace];
}

/** The event at a version; the one before stays until it is there. */
function useEvent(id: string, version: number): RunEvent | undefined {
  const page = useQuery({ ...eventsOptions(id, pageOf(version)), enabled: version > 0 });
  return version > 0 ? page.data?.[version - firstOf(pageOf(version))] : undefined;
}

/**
 * The state at a version; the one before stays until it is there. One is asked for at a time: while
 * that is under way the reader may go on, or the run, and then only the newest wish counts.
 */
function useMoment(id: string, version: number, last: number) {
  const client = useQueryClient();
  const [asked, setAsked] = useState(version);
  const moment = useQuery({
    ...momentOptions(id, asked),
    placeholderData: (before: Moment | undefined) => before,
  });
  const isThere = moment.fetchStatus === "idle" && !moment.isPlaceholderData;
  useEffect(() => {
    if (isThere || moment.isError) setAsked(version);
  }, [isThere, moment.isError, version]);
  const settled = useRested(version, 200);
  useEffect(() => {
    for (const near of neighbours(settled, last)) {
      void client.prefetchQuery(momentOptions(id, near));
    }
  }, [client, id, settled, last]);
  return moment;
}
