// Instants and lengths of time as people read them. Microseconds in, text out.

const MILLISECOND = 1_000;
const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** At most two units, the smaller one only where it tells something: "1.24 s", "3 min 20 s". */
export function duration(us: number): string {
  if (us < 0) return `−${duration(-us)}`;
  if (us < MILLISECOND) return `${us} µs`;
  if (us < SECOND) return `${round(us / MILLISECOND, us < 10 * MILLISECOND ? 1 : 0)} ms`;
  if (us < 10 * SECOND) return `${round(us / SECOND, 2)} s`;
  if (us < MINUTE) return `${round(us / SECOND, 1)} s`;
  if (us < HOUR) return twoUnits(us, MINUTE, "min", SECOND, "s");
  if (us < DAY) return twoUnits(us, HOUR, "h", MINUTE, "min");
  return twoUnits(us, DAY, "d", HOUR, "h");
}

function round(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

function twoUnits(us: number, large: number, a: string, small: number, b: string): string {
  const first = Math.floor(us / large);
  const second = Math.round((us - first * large) / small);
  if (second * small === large) return duration((first + 1) * large);
  return second === 0 ? `${first} ${a}` : `${first} ${a} ${second} ${b}`;
}

/** "14:03:07.512" in the reader's zone. */
export function clock(us: number): string {
  const date = new Date(us / MILLISECOND);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}.${millis}`;
}

/** "22 Nov 2026, 14:03:07" in the reader's zone. */
export function instant(us: number): string {
  return new Date(us / MILLISECOND).toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}

/** How long ago, in the one unit that tells it: "now", "12 s ago", "3 d ago". */
export function ago(us: number, now: number): string {
  const past = now - us;
  if (past < 2 * SECOND) return "now";
  for (const [unit, name] of [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "min"],
    [SECOND, "s"],
  ] as const) {
    if (past >= unit) return `${Math.floor(past / unit)} ${name} ago`;
  }
  return "now";
}

/** 50000 → "50,000". */
export function count(value: number): string {
  return value.toLocaleString("en-GB");
}

/** Ticks of an axis from 0 to `length`, at round numbers; at most `most` of them. */
export function ticks(length: number, most: number): number[] {
  if (length <= 0 || most < 1) return [0];
  const steps = roundSteps(length);
  const step = steps.find((one) => length / one <= most) ?? length;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
}

function roundSteps(length: number): number[] {
  const steps: number[] = [];
  for (let power = 1; power <= SECOND; power *= 10) steps.push(power, 2 * power, 5 * power);
  const later = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400];
  steps.push(...later.map((seconds) => seconds * SECOND));
  while ((steps.at(-1) ?? DAY) < length) steps.push((steps.at(-1) ?? DAY) * 2);
  return [...new Set(steps)].sort((a, b) => a - b);
}
