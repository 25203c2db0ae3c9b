/** Questions of the commands to the running gateway, over its own HTTP. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { GatewayConfig } from "./config.ts";
import { readAddress } from "./site/address.ts";
import { pathsOf } from "./site/site.ts";

/** Milliseconds that an answer may take unless the question says otherwise. */
const answerMsMax = 10_000;

export type Question = {
  readonly method?: "GET" | "POST";
  readonly body?: Uint8Array;
  readonly contentType?: string;
  readonly answerMs?: number;
};

/**
 * @throws OperationalError GATEWAY_UNREACHABLE (nobody answers), or the code with which the gateway refused;
 *   GATEWAY_REFUSED where it gave none.
 */
export async function askGateway(
  config: GatewayConfig,
  path: string,
  { method = "GET", body, contentType, answerMs = answerMsMax }: Question = {},
): Promise<Response> {
  const address = readAddress(pathsOf(config).address);
  const base = address?.http ?? `http://${config.http.host}:${config.http.port}`;
  let answer: Response;
  try {
    answer = await fetch(`${base}${path}`, {
      method,
      signal: AbortSignal.timeout(answerMs),
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      ...(contentType === undefined ? {} : { headers: { "content-type": contentType } }),
    });
  } catch (cause) {
    const sentence = `No gateway answers at ${base}: start it, or name its directory with --data.`;
    throw new OperationalError("GATEWAY_UNREACHABLE", sentence, { cause });
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  const code = /"code":"([A-Z0-9_]+)"/.exec(text)?.[1] ?? "GATEWAY_REFUSED";
  const sentence = /"sentence":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  throw new OperationalError(
    code,
    sentence === undefined
      ? `The gateway refused ${path}.`
      : `The gateway refused ${path}: ${sentence}`,
  );
}
