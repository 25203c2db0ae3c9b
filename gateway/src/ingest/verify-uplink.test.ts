import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { encodeStatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import { describe, expect, test } from "vitest";
import {
  badEvidenceStatements,
  evidenceLog,
  evidenceStatements,
} from "../../../test/support/evidence-statement-samples.ts";
import { tamperedStatements } from "../../../test/support/tampered-statements.ts";
import {
  deviceKey,
  gatewayKey,
  name,
  readings,
  seed,
  statementSamples,
} from "../../../test/support/wire-samples.ts";
import { decodeBodyBounded } from "../lane/body-codec.ts";
import { verifyUplink } from "./verify-uplink.ts";

const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);
const hashers = {
  "sha-256": treeHasher(sha256),
  sm3: treeHasher((bytes) => nodeCrypto.sm3(bytes)),
};
const ports = { crypto: nodeCrypto, hashers, decodeBody: decodeBodyBounded };
const known = { kid: thumbprint(sha256, deviceKey), publicKey: deviceKey };
const sender = { channel: name("meters"), device: name("meter-box-1"), keys: [known] };
const samples = statementSamples();
const sample = (label: string) => present(samples.get(label), label);

const plain = encodeBody({ seed, readings });
const body: EncodedBody = { encoding: "identity", length: plain.length, bytes: plain };

const judge = (
  statement: Uint8Array,
  over: { body?: EncodedBody } & Partial<typeof sender> = {},
) => {
  const { body: beside, ...who } = over;
  const message = beside === undefined ? { statement } : { statement, body: beside };
  return verifyUplink(ports, encodeStatementMessage(message), { ...sender, ...who });
};
const codeOf = (verdict: ReturnType<typeof judge>) => (verdict.ok ? "ok" : verdict.fault.code);
const identity = (statement: Uint8Array) => {
  const part = parseSign1(statement);
  if (!part.ok) throw new Error(part.fault.code);
  return identityOf(sha256, part.value);
};

describe("verifyUplink", () => {
  test("takes a bundle with its body, and says where it stands", () => {
    const statement = sample("bundle");
    const verdict = judge(statement, { body });
    expect(verdict).toMatchObject({
      ok: true,
      value: {
        statement,
        identity: identity(statement),
        type: "bundle",
        position: { stream: "p1", range: { first: 1n, count: 2 } },
        body,
      },
    });
  });

  test.each(["start", "start-first", "gap", "heartbeat"])("takes a %s without a body", (label) => {
    expect(codeOf(judge(sample(label)))).toBe("ok");
    expect(codeOf(judge(sample(label), { body }))).toBe("UPLINK_BODY_UNEXPECTED");
  });

  test.each(tamperedStatements().map((one) => [one.name, one.code, one.bytes] as const))(
    "refuses a statement with %s: %s",
    (_name, code, bytes) => {
      // A gateway looks the key up by kid, so another kid is a key that it does not know.
      const expected: readonly string[] = [
        code === "SIGNATURE_KEY_MISMATCH" ? "UPLINK_KEY_UNKNOWN" : code,
      ];
      expect(expected).toContain(codeOf(judge(bytes, { body })));
    },
  );

  test("names what it refuses: by identity and place where it can, by digest where not", () => {
    const statement = sample("bundle");
    const unknown = judge(statement, { body, keys: [] });
    expect(unknown).toMatchObject({
      ok: false,
      fault: {
        code: "UPLINK_KEY_UNKNOWN",
        digest: identity(statement),
        position: { stream: "p1", range: { first: 1n, count: 2 } },
      },
    });
    const cut = statement.slice(0, -1);
    expect(judge(cut)).toEqual({
      ok: false,
      fault: { code: "CBOR_MALFORMED", digest: sha256(cut) },
    });
    const garbage = Uint8Array.of(1, 2, 3);
    const verdict = verifyUplink(ports, garbage, sender);
    expect(verdict).toEqual({
      ok: false,
      fault: { code: "CBOR_MALFORMED", digest: sha256(garbage) },
    });
  });

  test("takes only what its sender signed, in its channel", () => {
    const statement = sample("bundle");
    expect(codeOf(judge(statement, { body, device: name("meter-box-2") }))).toBe(
      "UPLINK_FOREIGN_ISSUER",
    );
    expect(codeOf(judge(statement, { body, channel: name("other") }))).toBe(
      "UPLINK_FOREIGN_ISSUER",
    );
    const other = { kid: known.kid, publicKey: gatewayKey };
    expect(codeOf(judge(statement, { body, keys: [other] }))).toBe("SIGNATURE_WRONG");
  });

  test("takes no statement of a gateway or an organisation from a device", () => {
    for (const [label, device] of [
      ["lane-head", "gateway-1"],
      ["rejection", "gateway-1"],
      ["device", "acme"],
    ] as const) {
      const verdict = judge(sample(label), { device: name(device) });
      expect(codeOf(verdict)).toBe("UPLINK_TYPE_NOT_A_DEVICES");
    }
  });

  test("holds the body to its bundle", () => {
    const statement = sample("bundle");
    const of = (bytes: Uint8Array): EncodedBody => ({
      encoding: "identity",
      length: bytes.length,
      bytes,
    });
    const [first, second] = readings;
    if (first === undefined || second === undefined) throw new Error("two readings");
    const cases: readonly (readonly [EncodedBody | undefined, string])[] = [
      [undefined, "UPLINK_BODY_MISSING"],
      [of(encodeBody({ seed, readings: [first] })), "BODY_COUNT_WRONG"],
      [of(encodeBody({ seed, readings: [second, first] })), "BODY_ROOT_WRONG"],
      [of(encodeBody({ seed: new Uint8Array(32), readings })), "BODY_ROOT_WRONG"],
      [of(plain.slice(0, -1)), "BODY_MALFORMED"],
      [{ ...body, length: plain.length + 1 }, "BODY_LENGTH_WRONG"],
      [{ ...body, length: plain.length - 1 }, "BODY_BOMB"],
      [{ ...body, encoding: "brotli" }, "BODY_ENCODING_BAD"],
    ];
    for (const [beside, code] of cases) {
      expect(codeOf(judge(statement, beside === undefined ? {} : { body: beside }))).toBe(code);
    }
  });

  const evidence = (label: string) =>
    present(evidenceStatements.find(({ name: one }) => one === label)?.bytes, label);
  const log: EncodedBody = {
    encoding: "identity",
    length: evidenceLog.length,
    bytes: evidenceLog,
  };

  test("takes evidence without its log, and with the log that it names", () => {
    expect(judge(evidence("asked"))).toMatchObject({
      ok: true,
      value: { type: "evidence", position: { stream: "attestation" } },
    });
    expect(judge(evidence("asked"), { body: log })).toMatchObject({ value: { body: log } });
    expect(codeOf(judge(evidence("unasked")))).toBe("ok");
  });

  test("refuses another log than the evidence names, and one that it does not name", () => {
    const changed = { ...log, bytes: evidenceLog.with(40, 1) };
    expect(codeOf(judge(evidence("asked"), { body: changed }))).toBe("EVENT_LOG_OTHER");
    expect(codeOf(judge(evidence("asked"), { body: { ...log, length: 5 } }))).toBe("BODY_BOMB");
    expect(codeOf(judge(evidence("unasked"), { body: log }))).toBe("UPLINK_BODY_UNEXPECTED");
  });

  test.each(badEvidenceStatements)("refuses evidence $name: $code", ({ bytes, code }) => {
    expect(codeOf(judge(bytes))).toBe(code);
  });
});
