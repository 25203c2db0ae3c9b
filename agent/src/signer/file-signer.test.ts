import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFileSigner } from "./file-signer.ts";
import { keyFileBytesMax, signQueueMax } from "./limits.ts";

const { signal } = new AbortController();
const message = utf8("1-0:1.8.0*255(005430.157*kWh)");
let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tamga-file-signer-"));
  path = join(directory, "device.pem");
});
afterEach(() => rm(directory, { recursive: true }));

describe("openFileSigner", () => {
  it.each(["ES256", "EdDSA", "SM2-SM3"] as const)(
    "creates a key for %s once and signs with it",
    async (algorithm) => {
      const signer = await openFileSigner({ path, create: true, algorithm });
      expect(signer).toMatchObject({ algorithm, keyKind: "file" });
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await readdir(directory)).toEqual(["device.pem"]);
      const signature = await signer.sign(message, { signal });
      expect(signature).toHaveLength(64);
      expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);

      const before = await readFile(path);
      const again = await openFileSigner({ path, create: true, algorithm });
      expect(again.publicKey()).toEqual(signer.publicKey());
      expect(await readFile(path)).toEqual(before);
    },
  );

  it("gives two processes that start at once the same key", async () => {
    const both = [1, 2, 3].map(() => openFileSigner({ path, create: true }));
    const [first, ...others] = (await Promise.all(both)).map((signer) => signer.publicKey());
    for (const other of others) expect(other).toEqual(first);
  });

  it("refuses an absent file where it may not create one", async () => {
    const opening = openFileSigner({ path, create: false });
    await expect(opening).rejects.toMatchObject({ code: "KEY_FILE_MISSING" });
    expect(await readdir(directory)).toEqual([]);
  });

  it("says where a key cannot be created", async () => {
    const opening = openFileSigner({ path: join(directory, "no", "key.pem"), create: true });
    await expect(opening).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  });

  it.each([0o640, 0o604, 0o660, 0o622, 0o601])("refuses a key of mode %o", async (mode) => {
    await openFileSigner({ path, create: true });
    await chmod(path, mode);
    const opening = openFileSigner({ path, create: true });
    // systemd's credentials are root:root and show an ACL's mask as group read.
    if (mode === 0o640 && process.geteuid?.() === 0 && (await stat(path)).gid === 0) {
      await expect(opening).resolves.toMatchObject({ keyKind: "file" });
      return;
    }
    await expect(opening).rejects.toMatchObject({
      code: "KEY_FILE_PERMISSIONS",
      message: expect.stringContaining("chmod 600"),
    });
  });

  it("looks at the file behind a link", async () => {
    await openFileSigner({ path, create: true });
    await chmod(path, 0o644);
    const other = join(directory, "link.pem");
    await symlink(path, other);
    const opening = openFileSigner({ path: other, create: true });
    await expect(opening).rejects.toMatchObject({ code: "KEY_FILE_PERMISSIONS" });
  });

  it("refuses what is no key, without quoting it", async () => {
    await writeFile(path, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n", { mode: 0o600 });
    const opening = openFileSigner({ path, create: true });
    await expect(opening).rejects.toMatchObject({ code: "KEY_FILE_MALFORMED" });
    await expect(opening).rejects.not.toThrow("c2VjcmV0");
  });

  it.each([
    ["P-384", () => generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["RSA", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ])("refuses a key on %s", async (_, generate) => {
    const pem = generate().privateKey.export({ type: "pkcs8", format: "pem" });
    await writeFile(path, pem, { mode: 0o600 });
    const opening = openFileSigner({ path, create: false });
    await expect(opening).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
  });

  it("holds the bound on the file's size, and refuses an empty one and a directory", async () => {
    const unreadable = { code: "KEY_FILE_UNREADABLE" };
    await writeFile(path, "x".repeat(keyFileBytesMax + 1), { mode: 0o600 });
    await expect(openFileSigner({ path, create: true })).rejects.toMatchObject(unreadable);
    await writeFile(path, "x".repeat(keyFileBytesMax));
    await expect(openFileSigner({ path, create: true })).rejects.toMatchObject({
      code: "KEY_FILE_MALFORMED",
    });
    await writeFile(path, "");
    await expect(openFileSigner({ path, create: true })).rejects.toMatchObject(unreadable);
    await expect(openFileSigner({ path: directory, create: true })).rejects.toMatchObject(
      unreadable,
    );
  });
});

describe("FileSigner", () => {
  it("takes as many requests as the limit says, and one more once they are done", async () => {
    const signer = await openFileSigner({ path, create: true });
    const all = Array.from({ length: signQueueMax }, () => signer.sign(message, { signal }));
    await expect(signer.sign(message, { signal })).rejects.toMatchObject({
      code: "SIGN_QUEUE_FULL",
    });
    expect(await Promise.all(all)).toHaveLength(signQueueMax);
    await expect(signer.sign(message, { signal })).resolves.toHaveLength(64);
  });

  it("rejects with the signal's own reason", async () => {
    const signer = await openFileSigner({ path, create: true });
    const reason = new Error("enough");
    const aborted = { signal: AbortSignal.abort(reason) };
    await expect(signer.sign(message, aborted)).rejects.toBe(reason);
    const controller = new AbortController();
    const signing = signer.sign(message, { signal: controller.signal });
    controller.abort(reason);
    await expect(signing).rejects.toBe(reason);
  });

  it("signs no more once closed", async () => {
    const signer = await openFileSigner({ path, create: true });
    await signer.close();
    await expect(signer.sign(message, { signal })).rejects.toMatchObject({ code: "SIGNER_CLOSED" });
  });
});
