// How the API is asked: JSON in, JSON or a problem (RFC 9457) out.

export const BASE = "/api/v1";

/** Why the API did not do what it was asked. `code` is ours and stable; "offline" if it did not answer. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "Problem";
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      headers: { Accept: "application/json" },
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "offline", "The API server does not answer.");
  }
  if (response.ok) return (await response.json()) as T;
  throw await problemOf(response);
}

async function problemOf(response: Response): Promise<Problem> {
  const told = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const text = told.detail ?? told.title;
  const message = typeof text === "string" ? text : `The API answered ${response.status}.`;
  const code = typeof told.code === "string" ? told.code : String(response.status);
  return new Problem(response.status, code, message);
}

/** A query string of what is not empty. */
export function query(words: Record<string, string | number | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(words)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}
