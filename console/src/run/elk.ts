import ELK from "elkjs/lib/elk-api";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import type { Engine } from "../logic/layout";

let engine: Engine | undefined;

/** The layout engine, in a worker that is started when a graph is first drawn. */
export function elk(): Engine {
  engine ??= new ELK({ workerUrl });
  return engine;
}
