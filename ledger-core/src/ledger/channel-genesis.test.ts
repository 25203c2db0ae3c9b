/** Which transactions open a channel, and which do not. */

import { describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { LedgerSite, signStatement, site } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { ChannelOpenClaims } from "../wire/channel-claims.ts";
import { encodeChannelClaims } from "../wire/channel-claims.ts";
import type { Transaction } from "../wire/transaction.ts";
import { judgeGenesis } from "./channel-genesis.ts";

const owner = new LedgerSite();
const validator = createKey("EdDSA").spki.subarray(-32);

function opening(
  change: Partial<ChannelOpenClaims> = {},
  { issuer = site.organisation, key = owner.caKey } = {},
): Transaction {
  const claims = encodeChannelClaims({
    kind: "channel-open",
    consortium: site.consortium,
    incarnation: new Uint8Array(16),
    validators: [
      { name: name("validator"), organisation: site.organisation, publicKey: validator },
    ],
    organisations: [{ name: site.organisation, ca: nodeCrypto.sha256(owner.ca) }],
    at: unixMillis(1_750_000_000_000),
    ...change,
  });
  const statement = signStatement({ issuer, key }, "channel-open", claims);
  return { statement, consistency: [], certificates: [owner.ca] };
}

const codeOf = (transaction: Transaction): string => {
  const judged = judgeGenesis(nodeCrypto, transaction);
  return judged.ok ? "OK" : judged.fault.code;
};

describe("a channel-open transaction", () => {
  it("names the channel's log by its name, and a reopened one also by its incarnation", async () => {
    const judged = judgeGenesis(nodeCrypto, await owner.openChannel(validator));
    expect(judged).toMatchObject({
      value: {
        identity: { origin: "consortium.example/milk" },
        policy: { reopened: false, quorum: 1 },
      },
    });
    const id = nodeCrypto.sha256(validator);
    const reopened = opening({ predecessor: { channelId: id, head: { size: 9n, root: id } } });
    expect(judgeGenesis(nodeCrypto, reopened)).toMatchObject({
      value: {
        identity: { origin: `consortium.example/milk/${"00".repeat(16)}` },
        policy: { reopened: true },
      },
    });
  });

  it("carries the very CA certificates that it names", () => {
    const other = new LedgerSite();
    expect(codeOf({ ...opening(), certificates: [] })).toBe("GENESIS_CA_MISSING");
    expect(codeOf({ ...opening(), certificates: [other.ca] })).toBe("GENESIS_CA_MISMATCH");
    const none = opening({ organisations: [] });
    expect(codeOf({ ...none, certificates: [] })).toBe("TRUST_NO_ORGANISATION");
  });

  it("is signed by one of its organisations", () => {
    const { caKey } = new LedgerSite();
    expect(codeOf(opening({}, { issuer: site.organisation, key: caKey }))).toBe(
      "GENESIS_SIGNATURE_WRONG",
    );
    expect(codeOf(opening({}, { issuer: name("brewery"), key: owner.caKey }))).toBe(
      "GENESIS_ISSUER_UNKNOWN",
    );
  });

  it("is no other statement, and its validators are judged as a trust policy's", () => {
    expect(codeOf(owner.revoke(nodeCrypto.sha256(validator)))).toBe("GENESIS_NOT_CHANNEL_OPEN");
    expect(codeOf(opening({ validators: [] }))).toBe("TRUST_NO_VALIDATOR");
    const weak = { name: name("v"), organisation: site.organisation };
    expect(codeOf(opening({ validators: [{ ...weak, publicKey: new Uint8Array(32) }] }))).toBe(
      "TRUST_KEY_BAD",
    );
  });
});
