import { useEffect, useState } from "react";

/** The value once it has stayed the same for so long; at once where that is 0. */
export function useRested<T>(value: T, ms: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    if (ms === 0) return;
    const timer = window.setTimeout(() => setRested(value), ms);
    return () => window.clearTimeout(timer);
  }, [value, ms]);
  return ms === 0 ? value : rested;
}
