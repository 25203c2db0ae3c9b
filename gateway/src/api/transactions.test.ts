/** What the members signed together comes in over HTTP: what is taken, and why not. */

import type { Result } from "@tamga/ledger-core/base/result";
import type { Ledger, LedgerFault } from "@tamga/ledger-core/ledger/ledger";
import { encodeTransaction, transactionBytesMax } from "@tamga/ledger-core/wire/transaction";
import fastify from "fastify";
import { expect, it } from "vitest";
import { governanceStatements } from "../../../test/support/governance-samples.ts";
import { addTransactionRoute } from "./transactions.ts";

const statements = governanceStatements();
const bytesOf = (label: string) => {
  const statement = statements.get(label) ?? new Uint8Array();
  return Buffer.from(encodeTransaction({ statement, consistency: [], certificates: [] }));
};
type Submit = Ledger["submit"];
const answering =
  (answer: Result<{ readonly index: bigint }, LedgerFault>): Submit =>
  async () =>
    answer;

async function post(
  submit: Submit,
  payload: Buffer,
  { type = "application/cbor", submitMs = 60_000 } = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  const server = fastify();
  server.removeContentTypeParser("text/plain");
  addTransactionRoute(server, { ledgerOf: () => ({ submit }), submitMs });
  const headers = { "content-type": type };
  const url = "/ledger/transactions";
  const answer = await server.inject({ method: "POST", url, headers, payload });
  await server.close();
  return { status: answer.statusCode, body: answer.json() };
}

const taken = answering({ ok: true, value: { index: 12n } });

it("answers with the leaf once it is final, and with the ledger's reason where it is not valid", async () => {
  for (const label of ["policy", "validators"])
    expect(await post(taken, bytesOf(label))).toEqual({ status: 200, body: { index: "12" } });
  const fault = { code: "APPROVALS_TOO_FEW", have: 1, needed: 3 } as const;
  expect(await post(answering({ ok: false, fault }), bytesOf("policy"))).toEqual({
    status: 409,
    body: { code: "APPROVALS_TOO_FEW", sentence: expect.stringContaining("hand it on") },
  });
});

it("takes changes of a channel alone, as CBOR alone", async () => {
  const refused = (code: string) => ({ status: 400, body: expect.objectContaining({ code }) });
  for (const label of ["anchor", "device-key", "lane-fault", "approval"])
    expect(await post(taken, bytesOf(label)), label).toEqual(refused("TRANSACTION_TYPE_REFUSED"));
  expect(await post(taken, Buffer.of(0xff))).toEqual(refused("CBOR_MALFORMED"));
  const empty = Buffer.from(
    encodeTransaction({ statement: new Uint8Array(), consistency: [], certificates: [] }),
  );
  expect((await post(taken, empty)).status).toBe(400);
  // A page in somebody's browser can send text without asking first; this it cannot.
  expect((await post(taken, bytesOf("policy"), { type: "text/plain" })).status).toBe(415);
  expect((await post(taken, Buffer.alloc(transactionBytesMax + 1))).status).toBe(413);
});

it("says after its time that it may still become final", async () => {
  const never: Submit = (_transaction, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  expect(await post(never, bytesOf("policy"), { submitMs: 5 })).toEqual({
    status: 504,
    body: {
      code: "LEDGER_NOT_FINAL_YET",
      sentence: expect.stringContaining("orders nothing twice"),
    },
  });
});
