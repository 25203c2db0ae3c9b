import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, expect, test } from "vitest";
import { httpRequest, isLoopbackUrl } from "./http-client.ts";
import { httpAnswerBytesMax } from "./limits-daemon.ts";

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function serve(length: number): Promise<URL> {
  const server = createServer((request, response) =>
    response.writeHead(request.method === "POST" ? 202 : 200).end(Buffer.alloc(length, "x")),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return new URL(`http://127.0.0.1:${address.port}`);
}

const { signal } = new AbortController();

test("an answer may be as long as the limit, and no longer", async () => {
  const answer = await httpRequest(await serve(httpAnswerBytesMax), { signal });
  expect([answer.status, answer.text.length]).toEqual([200, httpAnswerBytesMax]);
  const longer = httpRequest(await serve(httpAnswerBytesMax + 1), { signal });
  await expect(longer).rejects.toMatchObject({ code: "HTTP_ANSWER_TOO_LONG" });
});

test("a body is posted", async () => {
  expect((await httpRequest(await serve(1), { body: "{}", signal })).status).toBe(202);
});

test("nobody there is said as such, and an abort passes through", async () => {
  const refused = httpRequest(new URL("http://127.0.0.1:1"), { signal });
  await expect(refused).rejects.toMatchObject({ code: "HTTP_UNREACHABLE" });
  const reason = new Error("enough");
  const aborted = httpRequest(await serve(1), { signal: AbortSignal.abort(reason) });
  await expect(aborted).rejects.toBe(reason);
});

test.each([
  ["http://127.0.0.1:80", true],
  ["http://localhost", true],
  ["http://[::1]:1", true],
  ["http://127.0.0.1.example", false],
  ["http://192.0.2.1", false],
])("%s is loopback: %s", (url, expected) => {
  expect(isLoopbackUrl(new URL(url))).toBe(expected);
});
