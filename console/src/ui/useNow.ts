import { useEffect, useState } from "react";

/** The present in microseconds, looked at every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now() * 1_000);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now() * 1_000), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}
