import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { judgeFailure } from "@tamga/ledger-core/daemon/exit-code";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import type { EventLog } from "../../../test/support/event-log.ts";
import { createEventLog } from "../../../test/support/event-log.ts";
import type { Pkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import { createPkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { ck } from "./cryptoki.ts";
import { pinFileBytesMax } from "./limits.ts";
import { openSigner } from "./open-signer.ts";
import { Pkcs11Modules } from "./pkcs11-module.ts";
import type { Signer } from "./signer.ts";

const { signal } = new AbortController();
const message = utf8("reading");
const wrongPin = "73571113171923";

describe.skipIf(!requirePart("softhsm2"))("the PIN of a PKCS#11 token", () => {
  let hsm: SoftHsm;
  let folder: string;
  let tap: Pkcs11Tap;
  let modules: Pkcs11Modules;
  let log: EventLog;
  let signers: Signer[];

  beforeEach(() => {
    hsm = createSoftHsm();
    folder = hsm.addToken("site");
    tap = createPkcs11Tap();
    modules = new Pkcs11Modules(tap.load);
    log = createEventLog();
    signers = [];
  });
  afterEach(async () => {
    for (const signer of signers) await signer.close();
    hsm.remove();
  });

  async function open(uri = hsm.keyUri("site", "device")) {
    const options = { profile: "production", create: true, modules, logger: log };
    const signer = await openSigner({ uri, ...options });
    signers.push(signer);
    return signer;
  }

  async function failure(opening: Promise<unknown>): Promise<unknown> {
    return opening.then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  const logins = () => tap.counts.get("C_Login") ?? 0;

  it.each(["\n", "\r\n", ""])("is read up to the end of its line, %j", async (end) => {
    writeFileSync(hsm.pinFile, hsm.pin + end);
    await expect(open()).resolves.toMatchObject({ keyKind: "pkcs11" });
  });

  it("is tried once in a process when the token refuses it, by whichever signer", async () => {
    writeFileSync(hsm.pinFile, wrongPin);
    const first = await failure(open());
    expect(first).toMatchObject({ code: "PIN_REFUSED", details: { reason: "CKR_PIN_INCORRECT" } });
    for (const object of ["device", "other"]) {
      const again = open(hsm.keyUri("site", object));
      await expect(again).rejects.toMatchObject({ code: "PIN_REFUSED" });
    }
    expect(logins()).toBe(1);
    writeFileSync(hsm.pinFile, hsm.pin);
    await expect(open()).rejects.toMatchObject({ code: "PIN_REFUSED" });
    expect(logins()).toBe(1);
  });

  it("stands in no error and no log", async () => {
    writeFileSync(hsm.pinFile, wrongPin);
    const error = await failure(open());
    expect(error).toMatchObject({ message: expect.stringContaining("correct the PIN") });
    const shown = inspect(error, { depth: 10, showHidden: true }) + judgeFailure(error).text;
    expect(shown + inspect(log.lines, { depth: 10 })).not.toContain(wrongPin);
  });

  it("locks the signer when it is refused after the token came back", async () => {
    const signer = await open();
    expect(logins()).toBe(1);
    writeFileSync(hsm.pinFile, wrongPin);
    hsm.takeAway(folder);
    const noticed = log.next({ event: "signer.recovering" });
    const all = [1, 2, 3].map(() => signer.sign(message, { signal }));
    const settled = Promise.allSettled(all);
    await noticed;
    hsm.bringBack(folder);
    for (const result of await settled) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "PIN_REFUSED" } });
    }
    expect(signer.state()).toBe("locked");
    expect(log.lines.at(-1)).toMatchObject({ event: "signer.locked", level: "error" });
    await expect(signer.sign(message, { signal })).rejects.toMatchObject({ code: "PIN_REFUSED" });
    expect(logins()).toBe(2);
  });

  it.each([
    ["PIN_FINAL_TRY", ck.CKF_USER_PIN_FINAL_TRY],
    ["PIN_REFUSED", ck.CKF_USER_PIN_LOCKED],
  ])("is not tried at all where the token's flags forbid it: %s", async (code, flag) => {
    tap.after = (call, result) => {
      if (call !== "C_GetTokenInfo" || typeof result !== "object" || result === null) return;
      if ("flags" in result && typeof result.flags === "number") result.flags |= flag;
    };
    await expect(open()).rejects.toMatchObject({ code });
    tap.after = () => undefined;
    await expect(open()).rejects.toMatchObject({ code: "PIN_REFUSED" });
    expect(logins()).toBe(0);
  });

  it("counts as untried when the token leaves during the login", async () => {
    tap.before = (call) => {
      if (call === "C_Login") hsm.takeAway(folder);
    };
    await expect(open()).rejects.toMatchObject({ code: "TOKEN_FAILED" });
    tap.before = () => undefined;
    hsm.bringBack(folder);
    await expect(open()).resolves.toMatchObject({ keyKind: "pkcs11" });
  });

  it.each([
    ["is open to others", "PIN_FILE_PERMISSIONS", () => chmodSync(hsm.pinFile, 0o644)],
    ["is not there", "PIN_FILE_MISSING", () => rmSync(hsm.pinFile)],
    ["is empty", "PIN_FILE_UNREADABLE", () => writeFileSync(hsm.pinFile, "")],
    [
      "is longer than the limit",
      "PIN_FILE_UNREADABLE",
      () => writeFileSync(hsm.pinFile, "1".repeat(pinFileBytesMax + 1)),
    ],
  ])("is not taken from a file that %s", async (_, code, spoil) => {
    spoil();
    await expect(open()).rejects.toMatchObject({ code });
    expect(logins()).toBe(0);
  });

  it("is asked for by name where the key URI names no file", async () => {
    const opening = open(hsm.keyUri("site", "device", ""));
    await expect(opening).rejects.toMatchObject({ code: "PIN_FILE_NOT_NAMED" });
    await expect(opening).rejects.toThrow("pin-source=file:");
  });
});
