// Names of instances: `parse` outside of loops, `parse[3]` in the fourth iteration (counted from 0),
// `parse[3][0]` in a loop within a loop. Ids of steps have no brackets.

export function staticOf(instance: string): string {
  const bracket = instance.indexOf("[");
  return bracket === -1 ? instance : instance.slice(0, bracket);
}

export function indicesOf(instance: string): number[] {
  return [...instance.matchAll(/\[(\d+)\]/g)].map((found) => Number(found[1]));
}

/** Later iterations after earlier ones, outer loops first. */
export function compareInstances(a: string, b: string): number {
  const [left, right] = [indicesOf(a), indicesOf(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}
