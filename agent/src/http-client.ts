/** One small request over plain HTTP to a daemon nearby, with a bounded answer. */

import { request } from "node:http";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import { httpAnswerBytesMax, httpRequestMsMax } from "./limits-daemon.ts";

export type HttpAnswer = {
  readonly status: number;
  readonly text: string;
  /** The first header of a name, which is in lower case. */
  readonly header: (name: string) => string | undefined;
};

/** Throws HTTP_UNREACHABLE, HTTP_ANSWER_TOO_LONG, and `signal.reason`. */
export async function httpRequest(
  url: URL,
  {
    body,
    signal,
    headers = {},
  }: {
    readonly body?: string;
    readonly signal: AbortSignal;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<HttpAnswer> {
  const either = AbortSignal.any([signal, deadline(httpRequestMsMax)]);
  try {
    return await exchange(url, { body, headers }, either);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof OperationalError) throw cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "no answer";
    throw new OperationalError("HTTP_UNREACHABLE", `${url.origin} cannot be reached (${code}).`, {
      details: { url: url.origin, systemCode: code },
      cause,
    });
  }
}

/** Whether nobody between here and there could read or change what is said. */
export function isLoopbackUrl(url: URL): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
}

function exchange(
  url: URL,
  part: { readonly body: string | undefined; readonly headers: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { body } = part;
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const headers = { ...type, ...part.headers };
    const sent = request(url, { method, headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length <= httpAnswerBytesMax) {
          chunks.push(chunk);
          return;
        }
        const sentence = `${url.origin} answers with more than ${httpAnswerBytesMax} bytes.`;
        reject(new OperationalError("HTTP_ANSWER_TOO_LONG", sentence));
        sent.destroy();
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(chunks).toString("utf8"),
          header: (name) => [response.headers[name]].flat()[0],
        }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
