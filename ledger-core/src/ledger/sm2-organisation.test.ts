/** Organisations whose CAs are SM2: they open a channel and state devices in it as others do. */

import { expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { at, Consortium } from "../../../test/support/consortium.ts";
import { ecdsaOnSm2Curve, sm2PublicPoint, sm2SecretOf } from "../../../test/support/sm2-keys.ts";
import { present } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import { encodeSign1, parseSign1, sigStructure } from "../wire/cose.ts";
import { parseStatement } from "../wire/statement.ts";

it("open a channel, state SM2 and P-256 devices and revoke them; ECDSA on their curve is refused", async () => {
  const channel = await Consortium.of(["dairy", "farm"], {}, "SM2-SM3");
  const opening = parseStatement(channel.opening.statement);
  expect(opening.ok && opening.value.header.algorithm).toBe("SM2-SM3");
  const dairy = present(channel.members[0], "a member");
  const stated = (of: ReturnType<typeof dairy.device>) => {
    const { device, kid, certificate, chain } = of;
    const claims = { kind: "device-key", device, kid, certificate, keyKind: "tpm", at } as const;
    return dairy.say(claims, { certificates: chain });
  };
  const meter = dairy.device("meter", createKey("SM2-SM3"));
  const transaction = stated(meter);

  const part = parseSign1(transaction.statement);
  if (!part.ok) throw new Error(part.fault.code);
  const secret = sm2SecretOf(dairy.owner.caKey.privateKey);
  expect(sm2PublicPoint(secret)).toEqual(dairy.owner.caKey.spki.subarray(-65));
  const nonce = new Uint8Array(32).fill(3);
  const signature = ecdsaOnSm2Curve(secret, sigStructure(part.value), { nonce });
  const forged = encodeSign1({ ...part.value, signature });
  expect(channel.order({ ...transaction, statement: forged })).toMatch(/SIGNATURE/);

  expect(channel.order(transaction)).toBe("OK");
  expect(channel.order(stated(dairy.device("reader")))).toBe("OK");
  expect(channel.state.channel.deviceKeys.get(toHex(meter.kid))?.device).toBe("meter");
  expect(channel.order(dairy.owner.revoke(meter.kid, { device: "meter" }))).toBe("OK");
  expect(channel.order(stated(meter))).not.toBe("OK");
});
