import { statusText, toneOf } from "../logic/states";
import { StateIcon } from "./Icon";

export function Badge({ status }: { status: string }) {
  const tone = toneOf(status);
  return (
    <span className="badge" data-tone={tone}>
      <StateIcon tone={tone} />
      {statusText(status)}
    </span>
  );
}
