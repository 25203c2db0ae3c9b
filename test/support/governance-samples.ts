/** One sample of every statement by which a running channel is governed, with fixed keys and times. */

import { ed25519 } from "@noble/curves/ed25519.js";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { approvalBytes } from "@tamga/ledger-core/consensus/approval";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import { encodeGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { GovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import { encodeGovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import type { StatementType } from "@tamga/ledger-core/wire/statement";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import {
  deviceKey,
  digestOf,
  gatewaySecret,
  name,
  organisationSecret,
  signSample,
  validatorKey,
  validatorSecret,
} from "./wire-samples.ts";

const sha256 = (bytes: Uint8Array) => nobleCrypto.sha256(bytes);
const at = unixMillis(1_780_000_000_000);
const incarnation = digestOf("lane").slice(0, 16);
const channelId = digestOf("channel");

const gateway = { secret: gatewaySecret, issuer: "gateway-1", subject: "lane" };
const organisation = { secret: organisationSecret, issuer: "acme", subject: "channel" };
const approver = { secret: sha256(new Uint8Array(1)), issuer: "brewery", subject: "channel" };

const head = (size: bigint, text: string): Uint8Array => {
  const revocations = { size: 0n, root: sha256(new Uint8Array(0)) };
  const claims = { kind: "lane-head", incarnation, revocations } as const;
  const said = encodeGatewayClaims({ ...claims, head: { size, root: digestOf(text) } });
  return signSample("lane-head", said, gateway);
};

const leaf = (text: string) => ({ leaf: digestOf(text), path: [digestOf(`beside ${text}`)] });

const validators = [
  {
    name: name("acme.validator"),
    organisation: name("acme"),
    publicKey: "point" in validatorKey ? validatorKey.point : new Uint8Array(32),
  },
];

/** What a validator of the set of the sample signs when it is ready. */
export const readinessMessage = approvalBytes(nobleCrypto, channelId, { epoch: 1, validators });

const policy: GovernanceClaims = {
  kind: "policy",
  sequence: 1n,
  previous: channelId,
  rules: [
    {
      governed: "device",
      role: "ca",
      threshold: 2,
      organisations: [name("acme"), name("brewery")],
    },
    { governed: "validators", role: "admin", threshold: 0, organisations: [] },
  ],
  at,
};

/** Claims by the name of their vector. */
export const governanceClaimSamples: Readonly<Record<string, GovernanceClaims>> = {
  "lane-fault": {
    kind: "lane-fault",
    gateway: name("gateway-1"),
    first: head(9n, "root"),
    second: head(9n, "other root"),
  },
  "lane-fault-diverging": {
    kind: "lane-fault",
    gateway: name("gateway-1"),
    first: head(9n, "root"),
    second: head(12n, "longer root"),
    divergence: { index: 3n, first: leaf("leaf"), second: leaf("other leaf") },
  },
  "device-key": {
    kind: "device-key",
    device: name("meter-box-1"),
    kid: thumbprint(sha256, deviceKey),
    certificate: digestOf("certificate"),
    keyKind: "tpm",
    at,
  },
  policy,
  "policy-empty": { ...policy, sequence: 2n, previous: digestOf("policy"), rules: [] },
  validators: {
    kind: "validators",
    epoch: 1,
    validators,
    organisations: [{ name: name("acme"), ca: digestOf("ca") }],
    readiness: [{ index: 0, signature: ed25519.sign(readinessMessage, validatorSecret) }],
    at,
  },
  anchor: {
    kind: "anchor",
    target: name("consortium-chain"),
    head: { size: 9n, root: digestOf("root") },
    proof: digestOf("proof"),
    at,
  },
};

/** Exact statements by the name of their vector; the last is an approval of `policy`. */
export function governanceStatements(): ReadonlyMap<string, Uint8Array> {
  const samples = new Map<string, Uint8Array>();
  for (const [label, claims] of Object.entries(governanceClaimSamples))
    samples.set(label, signSample(claims.kind, encodeGovernanceClaims(claims), organisation));
  samples.set("approval", approvalOf(samples.get("policy") ?? new Uint8Array()));
  return samples;
}

function approvalOf(statement: Uint8Array): Uint8Array {
  const part = parseSign1(statement);
  if (!part.ok) throw new Error(part.fault.code);
  const approved = identityOf(sha256, part.value);
  const claims = encodeGovernanceClaims({ kind: "approval", approved, at });
  return signSample("approval", claims, approver);
}

/** Transactions with the fourth item, and the same without. */
export function transactionSamples(): ReadonlyMap<string, Uint8Array> {
  const statement = governanceStatements().get("policy") ?? new Uint8Array();
  const plain = { statement, consistency: [], certificates: [] };
  const approval = approvalOf(statement);
  const chain = [digestOf("administrator"), digestOf("intermediate")];
  return new Map([
    ["without approvals", encodeTransaction(plain)],
    [
      "with approvals by a CA and by an administrator",
      encodeTransaction({
        ...plain,
        approvals: [
          { statement: approval, certificates: [] },
          { statement: approval, certificates: chain },
        ],
      }),
    ],
  ]);
}

/** Statements whose claims are wrong, each with the code that says how. */
export function tamperedGovernance(): readonly {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: string;
}[] {
  const encoded = (label: string): Map<number, CborValue> => {
    const claims = encodeGovernanceClaims(governanceClaimSamples[label] ?? policy);
    return claims instanceof Map ? claims : new Map();
  };
  const say = (type: StatementType, claims: ReadonlyMap<number, CborValue>) =>
    signSample(type, claims, organisation);
  const changed = (label: string, key: number, value: CborValue) =>
    new Map(encoded(label)).set(key, value);
  const rule = [1, 0, 2, []];
  const bad = "FIELD_BAD";
  return [
    { name: "no key at all", bytes: say("approval", new Map()), code: "FIELD_MISSING" },
    {
      name: "a key too many",
      bytes: say("anchor", changed("anchor", 9, 1)),
      code: "FIELD_UNKNOWN",
    },
    {
      name: "a kind that cannot be governed",
      bytes: say("policy", changed("policy", 3, [[6, 0, 2, []]])),
      code: bad,
    },
    {
      name: "a role that is none",
      bytes: say("policy", changed("policy", 3, [[1, 2, 2, []]])),
      code: bad,
    },
    {
      name: "a threshold of 65",
      bytes: say("policy", changed("policy", 3, [[1, 0, 65, []]])),
      code: bad,
    },
    {
      name: "17 rules",
      bytes: say("policy", changed("policy", 3, Array(17).fill(rule))),
      code: "FIELD_TOO_LONG",
    },
    {
      name: "a short signature of a ready validator",
      bytes: say("validators", changed("validators", 4, [[0, new Uint8Array(63)]])),
      code: bad,
    },
    {
      name: "a ready validator of index 64",
      bytes: say("validators", changed("validators", 4, [[64, new Uint8Array(64)]])),
      code: bad,
    },
    {
      name: "a kind of key that is none",
      bytes: say("device-key", changed("device-key", 4, 3)),
      code: bad,
    },
    {
      name: "a divergence without its second path",
      bytes: say("lane-fault", changed("lane-fault", 4, [1, digestOf("a"), [], digestOf("b")])),
      code: "FIELD_MISSING",
    },
    {
      name: "a proof of 32769 bytes",
      bytes: say("anchor", changed("anchor", 3, new Uint8Array(32_769))),
      code: "FIELD_TOO_LONG",
    },
  ];
}
