import type { Tone } from "../logic/states";

const SIGNS: Record<Tone, string> = {
  done: "M3.500 8.400 6.600 11.400 12.500 4.800",
  active: "M6 4.200 11.600 8 6 11.800Z",
  waiting: "M8 4.200V8l2.600 1.700M8 2.200a5.800 5.800 0 1 0 .01 0Z",
  failed: "M4.400 4.400l7.200 7.200M11.600 4.400l-7.200 7.200",
  paused: "M5.800 4v8M10.200 4v8",
  idle: "M4 8h8",
  none: "M8 5.500a2.500 2.500 0 1 0 .01 0Z",
};

/** A state is told by a sign as well as by a colour. */
export function StateIcon({ tone }: { tone: Tone }) {
  return (
    <svg className="state-icon" data-tone={tone} viewBox="0 0 16 16" aria-hidden="true">
      <path d={SIGNS[tone]} />
    </svg>
  );
}

const GLYPHS = {
  first: "M4 3.500v9M12.500 3.500 6.500 8l6 4.500Z",
  back: "M10.500 3.500 4.500 8l6 4.500Z",
  forward: "M5.500 3.500 11.500 8l-6 4.500Z",
  last: "M12 3.500v9M3.500 3.500l6 4.500-6 4.500Z",
  play: "M5 3.200 12.500 8 5 12.800Z",
  pause: "M5.200 3.500v9M10.800 3.500v9",
  fold: "M6 4l4 4-4 4",
  open: "M6.500 3.500H3.500v9h9v-3M9 3.500h3.500V7M12.500 3.500 7.500 8.500",
  sun: "M8 5a3 3 0 1 0 .01 0ZM8 1.500v1.300M8 13.200v1.300M1.500 8h1.300M13.200 8h1.300M3.400 3.400l.9.9M11.700 11.700l.9.9M12.600 3.400l-.9.9M4.300 11.700l-.9.900",
  moon: "M13 9.600A5.600 5.600 0 0 1 6.400 3 5.600 5.600 0 1 0 13 9.600Z",
  system: "M2.500 3.500h11v7h-11ZM6 13h4M8 10.500V13",
} as const;

export type Glyph = keyof typeof GLYPHS;

export function Icon({ name }: { name: Glyph }) {
  return (
    <svg className={`icon icon-${name}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={GLYPHS[name]} />
    </svg>
  );
}
