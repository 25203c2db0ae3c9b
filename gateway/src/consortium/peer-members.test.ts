import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { parseDigest } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { describe, expect, test } from "vitest";
import { createCertificate, createKey } from "../../../test/support/certificate-builder.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { name } from "../../../test/support/wire-samples.ts";
import type { MemberChannel } from "./peer-members.ts";
import { judgedChannels, membersOf } from "./peer-members.ts";

const cas = new Map<string, Uint8Array>();
function caOf(label: string): Uint8Array {
  const made = cas.get(label) ?? newCa(label);
  cas.set(label, made);
  return made;
}
function newCa(label: string): Uint8Array {
  return createCertificate({ subject: label, publicKey: createKey("ES256"), ca: true });
}

/** A channel of nodes by their organisations; a CA of another label than its organisation is a stranger's. */
function channel(
  label: string,
  nodes: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): MemberChannel {
  const names = [...new Set(Object.values(nodes))];
  const organisations = names.map((one) => ({ name: name(one), ca: caOf(labels[one] ?? one) }));
  return {
    id: idOf(label),
    trust: {
      organisations,
      validators: Object.entries(nodes).map(([node, organisation]) => ({
        name: name(node),
        organisation: name(organisation),
        publicKey: new Uint8Array(32),
      })),
      trustedCas: organisations.map(({ name: one, ca }) => ({
        name: one,
        certificate: unwrap(parseCertificate(ca)),
      })),
    },
  };
}
const idOf = (label: string): Digest =>
  unwrap(parseDigest(nodeCrypto.sha256(new TextEncoder().encode(label))));

const own = { name: name("g1"), organisation: name("dairy"), border: true };
const milk = channel("milk", { g1: "dairy", g2: "barn", g3: "mill" });
const power = channel("power", { g1: "dairy", g3: "mill", g4: "grid" });
const members = (...channels: readonly MemberChannel[]) =>
  Object.fromEntries(
    membersOf(channels, own, (node) => node !== "g3").map((member) => [
      member.name,
      { ...member, channels: member.channels.map(labelOf) },
    ]),
  );
const labelOf = (id: Digest) =>
  present(
    ["milk", "power"].find((label) => Buffer.from(idOf(label)).equals(Buffer.from(id))),
    "label",
  );

describe("the members that a gateway links to", () => {
  test("are one a name, in each channel that has it; the gateway itself is in all", () => {
    expect(members(milk, power)).toMatchObject({
      g1: { organisation: "dairy", channels: ["milk", "power"] },
      g2: { organisation: "barn", border: true, channels: ["milk"] },
      g3: { organisation: "mill", border: false, channels: ["milk", "power"] },
      g4: { organisation: "grid", channels: ["power"] },
    });
    expect(members(channel("milk", { g2: "barn" }))).toMatchObject({ g1: { channels: ["milk"] } });
  });

  test("of an earlier channel are not taken away by a later one that gives their name to others", () => {
    const thief = channel("power", { g2: "grid", g4: "grid" });
    expect(members(milk, thief)).toMatchObject({
      g2: { organisation: "barn", channels: ["milk"] },
      g4: { organisation: "grid", channels: ["power"] },
    });
  });

  test("are vouched for by CAs that an earlier channel does not know as somebody else's", () => {
    const names = (channels: readonly MemberChannel[]) =>
      judgedChannels(channels).map(({ trustedCas }) => trustedCas.map(({ name: one }) => one));
    expect(names([milk, power])).toEqual([
      ["dairy", "barn", "mill"],
      ["dairy", "mill", "grid"],
    ]);
    const impostor = channel("power", { g3: "mill", g4: "grid" }, { mill: "another mill" });
    expect(names([milk, impostor])).toEqual([["dairy", "barn", "mill"], ["grid"]]);
    expect(names([impostor, milk])).toEqual([
      ["mill", "grid"],
      ["dairy", "barn"],
    ]);
  });
});
