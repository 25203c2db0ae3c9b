/** Takes what the members signed together, over HTTP: the signatures in it are all the right it needs. */

import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { parseTransaction, transactionBytesMax } from "@tamga/ledger-core/wire/transaction";
import type { FastifyInstance, FastifyReply } from "fastify";
import { isProposable } from "../consortium/proposal-file.ts";
import { explainRefusal } from "../consortium/refusal-sentences.ts";
import { submitMsMax } from "../limits.ts";

/** `POST /ledger/transactions`, CBOR; answers `{ index }` once it is final and sealed. */
export function addTransactionRoute(
  server: FastifyInstance,
  {
    ledgerOf,
    submitMs = submitMsMax,
  }: {
    /** Of the channel that the statement names; undefined where this gateway has none that runs. */
    readonly ledgerOf: (channel: Identifier) => Pick<Ledger, "submit"> | undefined;
    readonly submitMs?: number;
  },
): void {
  const parser = { parseAs: "buffer", bodyLimit: transactionBytesMax } as const;
  server.addContentTypeParser("application/cbor", parser, (_request, body, done) =>
    done(null, body),
  );
  server.post("/ledger/transactions", async (request, reply) => {
    const { body } = request;
    const given = body instanceof Uint8Array ? new Uint8Array(body) : new Uint8Array();
    const transaction = parseTransaction(given);
    if (!transaction.ok) return refuse(reply, 400, transaction.fault.code);
    const statement = parseStatement(transaction.value.statement);
    if (!statement.ok) return refuse(reply, 400, statement.fault.code);
    const { type, channel } = statement.value.header;
    if (!isProposable(type)) return refuse(reply, 400, "TRANSACTION_TYPE_REFUSED");
    const ledger = ledgerOf(channel);
    if (ledger === undefined) return refuse(reply, 409, "TRANSACTION_OTHER_CHANNEL");
    const late = deadline(submitMs);
    try {
      const submitted = await ledger.submit(transaction.value, { signal: late });
      if (!submitted.ok) return refuse(reply, 409, submitted.fault.code);
      return reply.send({ index: submitted.value.index.toString() });
    } catch (error) {
      if (late.aborted) return refuse(reply, 504, "LEDGER_NOT_FINAL_YET");
      throw error;
    }
  });
}

function refuse(reply: FastifyReply, status: number, code: string) {
  return reply.code(status).send({ code, sentence: explainRefusal(code) });
}
