/** The PKCS#11 signer on a second real module, tpm2-pkcs11, whose token is an emulated TPM. */

import { writeFileSync } from "node:fs";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { EventLog } from "../../../test/support/event-log.ts";
import { createEventLog } from "../../../test/support/event-log.ts";
import type { Pkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import { createPkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import type { Tpm2Pkcs11 } from "../../../test/support/tpm2-pkcs11.ts";
import { createTpm2Pkcs11, requireTpm2Pkcs11 } from "../../../test/support/tpm2-pkcs11.ts";
import { openSigner } from "./open-signer.ts";
import { Pkcs11Modules } from "./pkcs11-module.ts";
import type { Signer } from "./signer.ts";

const { signal } = new AbortController();
const message = utf8("1-0:1.8.0*255(005430.157*kWh)");
/** More than a TPM has room for, were one object or session left behind by each. */
const signatures = 300;

describe.runIf(requireTpm2Pkcs11())("a signer on tpm2-pkcs11", () => {
  let token: Tpm2Pkcs11;
  let tap: Pkcs11Tap;
  let modules: Pkcs11Modules;
  let log: EventLog;
  let signers: Signer[];

  beforeAll(async () => {
    token = await createTpm2Pkcs11();
  });
  afterAll(() => token.remove());
  beforeEach(() => {
    tap = createPkcs11Tap();
    modules = new Pkcs11Modules(tap.load);
    log = createEventLog();
    signers = [];
  });
  afterEach(async () => {
    for (const signer of signers) await signer.close();
    writeFileSync(token.pinFile, `${token.pin}\n`);
  });

  async function open(create: boolean, object = "device") {
    const options = { profile: "production", create, modules, logger: log };
    const signer = await openSigner({ uri: token.keyUri(object), ...options });
    signers.push(signer);
    return signer;
  }
  const verifies = (signer: Signer, signature: Uint8Array) =>
    nodeCrypto.verify(signer.publicKey(), message, signature);

  it("makes a key once that cannot leave, and finds it again", async () => {
    await expect(open(false)).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    const first = await open(true);
    expect(first).toMatchObject({ keyKind: "pkcs11", algorithm: "ES256" });
    await first.close();
    const again = await open(true);
    expect(again.publicKey()).toEqual(first.publicKey());
    expect(tap.counts.get("C_GenerateKeyPair")).toBe(1);
  });

  it("signs hundreds in a row, and leaves nothing behind in the TPM", async () => {
    await (await open(true)).close();
    // What the making of a key leaves there is flushed behind a tool.
    await token.swtpm.tool("tpm2_getcap", "handles-transient");
    const signer = await open(true);
    for (let at = 0; at < signatures; at++)
      expect(verifies(signer, await signer.sign(message, { signal }))).toBe(true);
    await signer.close();
    expect(log.lines).toEqual([]);
    expect(await token.swtpm.tool("tpm2_getcap", "handles-transient")).toBe("");
    expect(await token.swtpm.tool("tpm2_getcap", "handles-loaded-session")).toBe("");
  });

  it("signs again after the TPM was switched off and on", async () => {
    const signer = await open(true);
    await token.swtpm.stop();
    await token.swtpm.start();
    expect(verifies(signer, await signer.sign(message, { signal }))).toBe(true);
    expect(log.lines.map((line) => line.event)).toContain("signer.token-lost");
    expect(signer.state()).toBe("ready");
  });

  it("waits for a TPM that is off, and signs what waited when it is on", async () => {
    const signer = await open(true);
    await token.swtpm.stop();
    const noticed = log.next({ event: "signer.recovering" });
    const waiting = signer.sign(message, { signal });
    await noticed;
    expect(signer.state()).toBe("recovering");
    await token.swtpm.start();
    expect(verifies(signer, await waiting)).toBe(true);
    expect(signer.state()).toBe("ready");
  });

  it("is refused a wrong PIN once, and does not try it again", async () => {
    writeFileSync(token.pinFile, "000000000\n");
    await expect(open(false)).rejects.toMatchObject({ code: "PIN_REFUSED" });
    await expect(open(false)).rejects.toMatchObject({ code: "PIN_REFUSED" });
    expect(tap.counts.get("C_Login")).toBe(1);
  });
});
