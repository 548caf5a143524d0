// One way to call the API. Every failure becomes an ApiError that keeps the
// server's request id, so that a person can quote it.

export const base = "/api/v1";

export type Problem = {
  title?: string;
  detail?: string;
  status?: number;
  request_id?: string;
  errors?: { location?: string; message: string; value?: unknown }[];
};

export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    readonly status: number, // 0: the server could not be reached
    readonly what: string, // the call, as "GET /findings"
    readonly problem: Problem,
    readonly requestId: string,
  ) {
    super(problem.detail || problem.title || `the server answered ${status}`);
  }
}

type Value = string | number | boolean | undefined;
export type Query = Record<string, Value | string[]>;

/** Renders query parameters in a stable order; empty ones are left out, lists are joined by commas. */
export function queryString(query: Query): string {
  const pairs: string[] = [];
  for (const key of Object.keys(query).sort()) {
    const value = query[key];
    const text = Array.isArray(value) ? value.join(",") : value === undefined ? "" : String(value);
    if (text !== "") {
      const escaped = encodeURIComponent(text).replaceAll("%2C", ",").replaceAll("%3A", ":");
      pairs.push(`${encodeURIComponent(key)}=${escaped}`);
    }
  }
  return pairs.length > 0 ? `?${pairs.join("&")}` : "";
}

type Call = {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  query?: Query;
  body?: unknown;
  ifMatch?: string;
  signal?: AbortSignal;
};

/** Calls the API and returns the decoded body with the ETag, where there is one. */
export async function call<T>(
  path: string,
  options: Call = {},
): Promise<{ data: T; etag: string }> {
  const method = options.method ?? "GET";
  const what = `${method} ${path}`;
  const headers: Record<string, string> = { Accept: "application/json" };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.ifMatch) headers["If-Match"] = options.ifMatch;
  let answer: Response;
  try {
    answer = await fetch(base + path + queryString(options.query ?? {}), {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
      credentials: "same-origin",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, what, { title: "The server could not be reached" }, "");
  }
  const requestId = answer.headers.get("X-Request-Id") ?? "";
  const text = answer.status === 204 ? "" : await answer.text();
  const decoded = parse(text);
  if (!answer.ok) {
    const problem = (decoded ?? {}) as Problem;
    throw new ApiError(answer.status, what, problem, problem.request_id ?? requestId);
  }
  if (text !== "" && decoded === undefined) {
    throw new ApiError(answer.status, what, { title: "The answer is not JSON" }, requestId);
  }
  return { data: decoded as T, etag: answer.headers.get("ETag") ?? "" };
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads one resource of the API. */
export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const { data } = await call<T>(path, {
    ...(query ? { query } : {}),
    ...(signal ? { signal } : {}),
  });
  return data;
}
