/** Anchors: by whom, of what, and how many. */

import { describe, expect, it } from "vitest";
import type { Member } from "../../../test/support/consortium.ts";
import { at, Consortium } from "../../../test/support/consortium.ts";
import type { Signer } from "../../../test/support/ledger-site.ts";
import { signStatement } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { AnchorClaims } from "../wire/governance-claims.ts";
import { encodeGovernanceClaims } from "../wire/governance-claims.ts";
import { anchorProofBytesMax } from "../wire/limits.ts";
import type { LedgerLimits } from "./limits.ts";

const digestOf = (text: string) => nodeCrypto.sha256(utf8(text));

async function open(limits: Partial<LedgerLimits> = {}) {
  const channel = await Consortium.of(["dairy", "farm"], limits);
  const [dairy, farm] = channel.members;
  const [a, b]: readonly [Member, Member] = [present(dairy, "dairy"), present(farm, "farm")];
  const gateway = a.owner.gateway("g");
  expect(channel.order(gateway.open(channel.id))).toBe("OK");
  const anchor = (
    by: Signer,
    says: Partial<AnchorClaims> = {},
    certificates = [] as Uint8Array[],
  ) => {
    const claims: AnchorClaims = {
      kind: "anchor",
      target: name("chain"),
      head: { size: 1n, root: digestOf("root") },
      proof: utf8("proof"),
      at,
      ...says,
    };
    const statement = signStatement(by, "anchor", encodeGovernanceClaims(claims));
    return channel.order({ statement, consistency: [], certificates });
  };
  return { channel, a, b, gateway, anchor };
}

describe("an anchor", () => {
  it("is by a gateway with an open lane, an organisation or its administrator", async () => {
    const { channel, a, b, gateway, anchor } = await open();
    const head = (size: bigint) => ({ head: { size, root: digestOf(`${size}`) } });
    expect(anchor(b.owner.gateway("h").signer)).toBe("ORGANISATION_UNKNOWN");
    expect(anchor({ issuer: b.name, key: a.owner.caKey })).toBe("SIGNATURE_WRONG");
    expect(anchor(gateway.signer, head(1n))).toBe("OK");
    expect(anchor(b.signer, head(2n))).toBe("OK");
    const admin = b.admin();
    expect(anchor(admin.signer, head(3n), admin.chain)).toBe("OK");
    expect(channel.state.channel.anchors.get("chain")).toMatchObject({
      ...head(3n),
      index: 4n,
    });
    expect(channel.order(a.owner.revoke(gateway.kid, { device: "g" }))).toBe("OK");
    expect(anchor(gateway.signer, head(4n))).toBe("LANE_KEY_REVOKED");
    const empty = signStatement(b.signer, "anchor", new Map());
    expect(channel.order({ statement: empty, consistency: [], certificates: [] })).toBe(
      "FIELD_MISSING",
    );
  });

  it("is of what the log held before it, and at most one of a size and target", async () => {
    const { b, anchor } = await open();
    const of = (size: bigint, target = "chain") =>
      anchor(b.signer, { target: name(target), head: { size, root: digestOf(`${size}`) } });
    expect(of(0n)).toBe("ANCHOR_BEYOND_LOG");
    expect(of(3n)).toBe("ANCHOR_BEYOND_LOG");
    expect(of(2n)).toBe("OK");
    expect(anchor(b.signer, { head: { size: 2n, root: digestOf("y") } })).toBe("ANCHOR_NOT_NEWER");
    expect(of(1n)).toBe("ANCHOR_NOT_NEWER");
    expect(of(1n, "second")).toBe("OK");
    expect(of(3n)).toBe("OK");
  });

  it("stops at the bounds of its proof and of targets", async () => {
    const { a, anchor } = await open({ anchorTargetsMax: 1 });
    expect(anchor(a.signer, { proof: new Uint8Array(anchorProofBytesMax + 1) })).toBe(
      "FIELD_TOO_LONG",
    );
    expect(anchor(a.signer, { proof: new Uint8Array(anchorProofBytesMax) })).toBe("OK");
    expect(anchor(a.signer, { target: name("second") })).toBe("ANCHOR_TARGETS_FULL");
  });
});
