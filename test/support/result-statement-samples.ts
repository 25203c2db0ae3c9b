/** Result statements of a gateway, the same in every run: what is believed, and what is refused by which code. */

import { p256 } from "@noble/curves/nist.js";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { AttestationResult } from "@tamga/ledger-core/wire/attestation-result";
import { encodeSignedResult, prepareResult } from "@tamga/ledger-core/wire/attestation-result";
import type { ResultClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { encodeGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { claims, result } from "./attestation-samples.ts";
import {
  deviceSecret,
  digestOf,
  gatewaySecret,
  name,
  p256Key,
  signSample,
} from "./wire-samples.ts";

const at = unixMillis(1_780_000_060_000);
const asked = unixMillis(1_780_000_000_000);
const by = { secret: gatewaySecret, issuer: "gateway-1", subject: "lane" };
const evidence = digestOf("a statement of evidence");

/** By the key that signs the statement around it. */
function ear(said: Partial<AttestationResult> = {}, secret = gatewaySecret): Uint8Array {
  const kid = thumbprint(nobleCrypto.sha256, p256Key(secret));
  const prepared = prepareResult({ ...result, ...said }, { algorithm: "ES256", kid });
  return encodeSignedResult(prepared, p256.sign(prepared.toBeSigned, secret));
}

const affirming: ResultClaims = {
  kind: "result",
  device: claims.device,
  state: "affirming",
  evidence,
  result: ear(),
  codes: [],
  at,
  asked,
};
const { result: _ear, asked: _asked, ...bare } = affirming;
const { evidence: _evidence, ...pending } = {
  ...bare,
  state: "pending",
  codes: ["EVIDENCE_MISSING"],
} as const;
const offBoot = ear({
  modules: { agent: {}, platform: { "instance-identity": 2, executables: 96, hardware: 2 } },
});

function statement(said: ResultClaims, signer: Partial<typeof by> = {}): Uint8Array {
  return signSample("result", encodeGatewayClaims(said), { ...by, ...signer });
}

/** By the name of its vector. */
export const resultStatements: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
  { name: "affirming, asked", bytes: statement(affirming) },
  {
    name: "contraindicated, unasked",
    bytes: statement({
      ...bare,
      state: "contraindicated",
      result: offBoot,
      codes: ["PCR_NOT_ALLOWED"],
    }),
  },
  {
    name: "refused",
    bytes: statement({ ...bare, state: "refused", codes: ["EVIDENCE_NONCE_WRONG"], asked }),
  },
  { name: "pending", bytes: statement(pending) },
  { name: "stale", bytes: statement({ ...bare, state: "stale", codes: ["EVIDENCE_TOO_OLD"] }) },
];

const flipped = statement(affirming);
flipped.set([(flipped.at(-1) ?? 0) ^ 1], flipped.length - 1);
export const badResultStatements: readonly {
  readonly name: string;
  readonly code: string;
  readonly bytes: Uint8Array;
}[] = [
  { name: "with another signature", code: "RESULT_STATEMENT_SIGNATURE_WRONG", bytes: flipped },
  {
    name: "by a key that is not the gateway's",
    code: "RESULT_STATEMENT_SIGNATURE_WRONG",
    bytes: statement(affirming, { secret: deviceSecret }),
  },
  {
    name: "by another gateway",
    code: "RESULT_NOT_BY_GATEWAY",
    bytes: statement(affirming, { issuer: "gateway-2" }),
  },
  {
    name: "with a result by another key",
    code: "RESULT_EAR_BAD",
    bytes: statement({ ...affirming, result: ear({}, deviceSecret) }),
  },
  {
    name: "with a result of another device",
    code: "RESULT_EAR_OTHER",
    bytes: statement({ ...affirming, result: ear({ device: name("meter-box-2") }) }),
  },
  {
    name: "that says more than its result",
    code: "RESULT_EAR_OTHER",
    bytes: statement({ ...affirming, result: offBoot }),
  },
  {
    name: "affirming without a result",
    code: "RESULT_MALFORMED",
    bytes: statement({ ...bare, state: "affirming" }),
  },
  {
    name: "refused with a result",
    code: "RESULT_MALFORMED",
    bytes: statement({ ...affirming, state: "refused" }),
  },
  {
    name: "stale without evidence",
    code: "RESULT_MALFORMED",
    bytes: statement({ ...pending, state: "stale" }),
  },
  {
    name: "pending with evidence",
    code: "RESULT_MALFORMED",
    bytes: statement({ ...bare, state: "pending" }),
  },
  {
    name: "with too many codes",
    code: "RESULT_MALFORMED",
    bytes: statement({ ...affirming, codes: Array.from({ length: 17 }, () => "PCR_NOT_ALLOWED") }),
  },
];
