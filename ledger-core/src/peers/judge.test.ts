import { describe, expect, test } from "vitest";
import { createCertificate, createKey, day } from "../../../test/support/certificate-builder.ts";
import { channelId, consortium, PeerConsortium } from "../../../test/support/peer-consortium.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { equal, toHex } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { roleUri } from "../receipt/certificate-names.ts";
import { parseCertificate } from "../receipt/x509-certificate.ts";
import { judgeAdmission, warningsOf } from "./admission.ts";
import { createPeerJudge } from "./judge.ts";

const site = new PeerConsortium({
  a: { organisation: "north" },
  b: { organisation: "south", channels: ["main", "side"] },
  c: { organisation: "south", border: false },
});
const uri = (node: string) => roleUri("peer", { channel: consortium, name: name(node) });
const key = createKey("EdDSA");

type Making = Partial<Parameters<typeof createCertificate>[0]>;

function certificate(node: string, organisation: string, more: Making = {}): Uint8Array {
  return createCertificate({
    subject: node,
    publicKey: key,
    issuer: { subject: organisation, key: site.ca(organisation).key },
    uris: [uri(node)],
    ...more,
  });
}

const trustedCas = ["north", "south"].map((organisation) => ({
  name: name(organisation),
  certificate: unwrap(parseCertificate(site.ca(organisation).certificate)),
}));
const [northCa, southCa] = trustedCas;

function judgeOf(
  channels = [
    { id: channelId("main"), trustedCas },
    { id: channelId("side"), trustedCas: southCa === undefined ? [] : [southCa] },
  ],
) {
  return createPeerJudge({
    crypto: nodeCrypto,
    consortium,
    members: () => site.members,
    channels: () => channels,
    isRevoked: (subject) => "point" in subject && site.revoked.has(toHex(subject.point)),
    now: () => unixMillis(Date.UTC(2027, 0, 1)),
  });
}

const codeOf = (chain: readonly Uint8Array[], judge = judgeOf()) => {
  const judged = judge(chain);
  return judged.ok ? "ok" : judged.fault.code;
};

describe("the judge of peers", () => {
  test("tells who a peer is, and the channels that its own organisation's CA speaks for", () => {
    const judged = unwrap(judgeOf()([certificate("b", "south")]));
    expect(judged.member).toMatchObject({ name: "b", organisation: "south" });
    expect(judged.member.channels.map(toHex)).toEqual(["main", "side"].map(channelId).map(toHex));
    const northOnly = judgeOf([{ id: channelId("main"), trustedCas: [trustedCas[0] ?? fail()] }]);
    expect(codeOf([certificate("b", "south")], northOnly)).toBe("PEER_CERTIFICATE_UNTRUSTED");
    expect(northCa?.name).toBe("north");
  });

  test("takes a chain with the CA at its end, as TLS stacks send it", () => {
    expect(codeOf([certificate("a", "north"), site.ca("north").certificate])).toBe("ok");
  });

  test("follows intermediates", () => {
    const below = createKey("ES256");
    const intermediate = createCertificate({
      subject: "north plant",
      publicKey: below,
      ca: true,
      issuer: { subject: "north", key: site.ca("north").key },
    });
    const leaf = certificate("a", "", { issuer: { subject: "north plant", key: below } });
    expect(codeOf([leaf, intermediate])).toBe("ok");
    expect(codeOf([leaf])).toBe("PEER_CERTIFICATE_UNTRUSTED");
  });

  test("refuses by code", () => {
    expect(codeOf([])).toBe("PEER_CERTIFICATE_MISSING");
    expect(codeOf([certificate("a", "west")])).toBe("PEER_CERTIFICATE_UNTRUSTED");
    expect(codeOf([Uint8Array.of(1, 2, 3)])).toBe("PEER_CERTIFICATE_UNTRUSTED");
    expect(codeOf([certificate("z", "north")])).toBe("PEER_NOT_MEMBER");
    expect(codeOf([certificate("b", "north")])).toBe("PEER_ORGANISATION_WRONG");
    const gateway = roleUri("gateway", { channel: consortium, name: name("a") });
    expect(codeOf([certificate("a", "north", { uris: [gateway] })])).toBe("PEER_CERTIFICATE_ROLE");
    expect(codeOf([certificate("a", "north", { uris: [uri("a"), gateway] })])).toBe(
      "PEER_CERTIFICATE_ROLE",
    );
    const elsewhere = roleUri("peer", { channel: name("others"), name: name("a") });
    expect(codeOf([certificate("a", "north", { uris: [elsewhere] })])).toBe(
      "PEER_CERTIFICATE_ROLE",
    );
    site.revoked.add(toHex("point" in key.publicKey ? key.publicKey.point : new Uint8Array()));
    expect(codeOf([certificate("a", "north")])).toBe("PEER_CERTIFICATE_REVOKED");
    site.revoked.clear();
  });

  test("lets a key speak where its organisation did not take it back, and nowhere else", () => {
    const judgeWithout = (...without: readonly string[]) =>
      createPeerJudge({
        crypto: nodeCrypto,
        consortium,
        members: () => site.members,
        channels: () => ["main", "side"].map((id) => ({ id: channelId(id), trustedCas })),
        isRevoked: (_key, id) => without.some((channel) => equal(channelId(channel), id)),
        now: () => unixMillis(Date.UTC(2027, 0, 1)),
      });
    const spoken = (...without: readonly string[]) =>
      unwrap(judgeWithout(...without)([certificate("b", "south")])).member.channels.map(toHex);
    const [main, side] = ["main", "side"].map((id) => toHex(channelId(id)));
    expect(spoken()).toEqual([main, side]);
    expect(spoken("main")).toEqual([side]);
    expect(spoken("side")).toEqual([main]);
    expect(codeOf([certificate("b", "south")], judgeWithout("main", "side"))).toBe(
      "PEER_CERTIFICATE_REVOKED",
    );
    // A is in one of them: that the other's CA list has its organisation too lets it in nowhere.
    expect(codeOf([certificate("a", "north")], judgeWithout("main"))).toBe(
      "PEER_CERTIFICATE_REVOKED",
    );
  });

  test("lets in whose dates are over or to come, and says so", () => {
    const judge = judgeOf();
    const old = unwrap(judge([certificate("a", "north", { notAfter: day("2026-01-01") })]));
    expect(warningsOf(old)).toEqual(["PEER_CERTIFICATE_EXPIRED"]);
    const early = unwrap(judge([certificate("a", "north", { notBefore: day("2030-01-01") })]));
    expect(warningsOf(early)).toEqual(["PEER_CERTIFICATE_NOT_YET_VALID"]);
  });
});

describe("the admission to a link", () => {
  const judged = (node: string, organisation: string) =>
    judgeOf()([certificate(node, organisation)]);
  const end = { self: name("a"), dialled: undefined, isRelayed: false, members: site.members };

  test("is for those who may cross the border, on their own links", () => {
    expect(judgeAdmission(judged("b", "south"), end).ok).toBe(true);
    const inner = judgeAdmission(judged("c", "south"), end);
    expect(inner).toEqual({ ok: false, fault: { code: "PEER_BORDER_CROSSED", peer: "c" } });
    expect(judgeAdmission(judged("c", "south"), { ...end, isRelayed: true }).ok).toBe(true);
  });

  test("is for whom we dialled, not ourselves, and nobody once we are out", () => {
    const dialled = name("b");
    expect(judgeAdmission(judged("c", "south"), { ...end, dialled })).toMatchObject({
      fault: { code: "PEER_NAME_UNEXPECTED", peer: "b" },
    });
    expect(judgeAdmission(judged("a", "north"), end)).toMatchObject({
      fault: { code: "PEER_SELF" },
    });
    expect(judgeAdmission(judged("b", "south"), { ...end, members: [] })).toMatchObject({
      fault: { code: "PEER_NOT_MEMBER" },
    });
    expect(judgeAdmission(judgeOf()([]), { ...end, dialled })).toMatchObject({
      fault: { code: "PEER_CERTIFICATE_MISSING", peer: "b" },
    });
  });
});

function fail(): never {
  throw new Error("no CA");
}
