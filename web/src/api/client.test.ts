import { afterEach, expect, test, vi } from "vitest";
import { ApiError, call, queryString } from "./client";

afterEach(() => vi.unstubAllGlobals());
const answer = (status: number, body: string, headers: Record<string, string> = {}) =>
  vi.stubGlobal("fetch", async () => new Response(body, { status, headers }));
const failure = async () => {
  try {
    await call("/findings");
  } catch (error) {
    return error as ApiError;
  }
  throw new Error("the call did not fail");
};

test("a problem keeps its detail and its request id", async () => {
  answer(
    422,
    JSON.stringify({ title: "Bad", detail: "severity: no such word", request_id: "r-1" }),
  );
  const error = await failure();
  expect([error.status, error.message, error.requestId, error.what]).toEqual([
    422,
    "severity: no such word",
    "r-1",
    "GET /findings",
  ]);
});

test("an answer that is no problem document still has a request id and a status", async () => {
  answer(502, "<html>bad gateway</html>", { "X-Request-Id": "r-2" });
  const error = await failure();
  expect([error.message, error.requestId]).toEqual(["the server answered 502", "r-2"]);
});

test("a success that is not JSON is a failure", async () => {
  answer(200, "<html>", {});
  expect((await failure()).message).toBe("The answer is not JSON");
});

test("a server that cannot be reached is status 0", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("fetch failed");
  });
  const error = await failure();
  expect(error).toBeInstanceOf(ApiError);
  expect(error.status).toBe(0);
});

test("the ETag comes with the body", async () => {
  answer(200, "{}", { ETag: '"g3"' });
  expect(await call("/policies/X")).toEqual({ data: {}, etag: '"g3"' });
});

test("parameters are sorted, joined and escaped; empty ones are left out", () => {
  expect(
    queryString({ q: "a&b", account: ["1", "2"], state: "", page_size: 5, x: undefined }),
  ).toBe("?account=1,2&page_size=5&q=a%26b");
  expect(queryString({})).toBe("");
});
