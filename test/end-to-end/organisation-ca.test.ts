/** A device whose certificate an organisation's own CA issued: three levels by openssl, to a receipt that verifies offline. */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { encodeEnrolmentRequest, parseEnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import { encodeRenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDeviceKeys } from "../support/device-keys.ts";
import { TestDevice } from "../support/test-device.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";

const run = promisify(execFile);
const agentProgram = fileURLToPath(new URL("../../agent/src/main.ts", import.meta.url));
const verifier = fileURLToPath(new URL("../../ledger-core/src/verify.ts", import.meta.url));
let work: string;
let site: TestSite;
const file = (of: string) => join(work, of);

/** The organisation's CA: another program than ours. */
async function openssl(...parameters: readonly string[]): Promise<void> {
  await run("openssl", [...parameters], { cwd: work });
}

/** For `openssl ca`, the one command of OpenSSL 3.0 that takes dates. */
const caConfiguration = `[ca]
default_ca = one
[one]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
`;

/** A CA below another, or a root. */
async function makeCa(of: string, issuer?: string): Promise<void> {
  const pathLength = issuer === undefined ? 1 : 0;
  writeFileSync(
    file(`${of}.ext`),
    `basicConstraints = critical, CA:TRUE, pathlen:${pathLength}\nkeyUsage = critical, keyCertSign, cRLSign\n`,
  );
  const key = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    `${of}.key`,
  ];
  await openssl("req", "-new", ...key, "-subj", `/O=Pasture/CN=${of}`, "-out", `${of}.csr`);
  await sign(of, issuer);
}

/** Signs `of.csr` with `of.ext`. */
async function sign(of: string, issuer: string | undefined): Promise<void> {
  const by =
    issuer === undefined
      ? ["-signkey", `${of}.key`]
      : ["-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`, "-CAcreateserial"];
  const what = ["-in", `${of}.csr`, "-extfile", `${of}.ext`, "-out", `${of}.pem`];
  await openssl("x509", "-req", "-sha256", "-days", "400", ...by, ...what);
}

function chain(of: string, ...files: readonly string[]): string {
  writeFileSync(file(of), files.map((one) => readFileSync(file(one), "utf8")).join(""));
  return file(of);
}

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "tamga-organisation-"));
  await makeCa("root");
  await makeCa("meters", "root");
  await makeCa("stranger");
  const cas = `certificates = { organisation_cas = ["${file("root.pem")}"] }`;
  site = await TestSite.start({
    config: `ledger = { order_every = "100ms", order_every_max = "100ms" }\n${cas}`,
  });
}, 300_000);
afterAll(async () => {
  await site.close();
  rmSync(work, { recursive: true });
});

/** Makes keys, writes the request, and has the certificate issued as `devices csr` says. */
async function asked(device: string) {
  const keys = await createDeviceKeys(name(device));
  const request = file(`${device}.json`);
  writeFileSync(request, encodeEnrolmentRequest(keys.request));
  const said = await site.cli(
    "devices",
    "csr",
    "--request",
    request,
    "--out",
    file(`${device}.csr`),
  );
  writeFileSync(file(`${device}.ext`), said);
  const approve = (certificate: string) =>
    site.cli(
      ...["devices", "approve", "--request", request, "--certificate", certificate],
      ...["--out", file(`${device}.answer`)],
    );
  return { keys, approve };
}

test("its readings verify up to the organisation's root, and its certificate stays at a renewal", async () => {
  const { keys, approve } = await asked("meter-1");
  await sign("meter-1", "meters");
  await approve(chain("chain.pem", "meter-1.pem", "meters.pem"));
  const answer = unwrap(parseEnrolmentAnswer(readFileSync(file("meter-1.answer"), "utf8")));
  expect(answer.signingChain).toHaveLength(2);
  const device = new TestDevice(keys, answer);
  await device.connect(site.mqttPort);
  const stream = device.stream();
  const made = [stream.start(), stream.bundle(5)];
  for (const one of made) await device.send(one);
  for (const one of made) expect((await device.until(one, "final")).kind).toBe("final");
  const receipt = await site.receipt(device.name, stream.incarnation, 2n);
  const parsed = unwrap(parseReceipt(receipt));
  expect(parsed.deviceChain).toEqual(answer.signingChain);
  expect(unwrap(verifyReceipt(nodeCrypto, device.policy, parsed)).signer.name).toBe("meter-1");
  writeFileSync(file("receipt"), receipt);
  writeFileSync(file("trust.json"), answer.trust);
  const { stdout } = await run(process.execPath, [
    ...[verifier, "receipt", file("receipt"), "--trust", file("trust.json")],
  ]);
  expect(stdout).toContain("VALID: ");
  // openssl says the same of the chain.
  await openssl("verify", "-CAfile", "root.pem", "-untrusted", "meters.pem", "meter-1.pem");
  expect(await site.cli("devices", "list")).toMatch(/^meter-1\tapproved/m);

  const { signing, tls } = keys.request;
  await device.publish("renew", encodeRenewMessage({ signing, tls }));
  const renewed = await device.untilReceived((received) => received.certificate.at(-1));
  expect(renewed.signing).toEqual(answer.signingChain);
  await device.disconnect();
}, 300_000);

test("the agent takes such an answer, and holds it to its own trust policy", async () => {
  const box = file("box");
  const agent = (...parameters: readonly string[]) =>
    run(process.execPath, [agentProgram, "enrol", "--data", box, ...parameters]);
  await agent("--device", "box-1", "--out", file("box.json"));
  const csr = ["--request", file("box.json"), "--out", file("box-1.csr")];
  writeFileSync(file("box-1.ext"), await site.cli("devices", "csr", ...csr));
  await sign("box-1", "meters");
  const approve = ["--request", file("box.json"), "--out", file("box.answer")];
  const certificate = chain("box.pem", "box-1.pem", "meters.pem");
  await site.cli("devices", "approve", ...approve, "--certificate", certificate);
  await agent("--answer", file("box.answer"));
  expect(readFileSync(join(box, "signing.crt"), "utf8").match(/BEGIN/g)).toHaveLength(2);
}, 300_000);

describe("is refused", () => {
  const code = (of: string) => ({ stderr: expect.stringContaining(of) });

  test("another device's, another key's, another kind's", async () => {
    const one = await asked("meter-2");
    await sign("meter-2", "meters");
    const other = await asked("meter-3");
    const extensions = readFileSync(file("meter-3.ext"), "utf8");
    const issue = async (text: string) => {
      writeFileSync(file("meter-3.ext"), text);
      await sign("meter-3", "meters");
      return chain("wrong.pem", "meter-3.pem", "meters.pem");
    };
    await expect(one.approve(await issue(extensions))).rejects.toMatchObject(
      code("CERTIFICATE_OTHER_DEVICE"),
    );
    const named = await issue(extensions.replace("meter-3", "meter-2"));
    await expect(one.approve(named)).rejects.toMatchObject(code("CERTIFICATE_OTHER_KEY"));
    const kind = await issue(extensions.replace("key:file", "key:pkcs11"));
    await expect(other.approve(kind)).rejects.toMatchObject(code("CERTIFICATE_OTHER_KIND"));
  }, 300_000);

  test("one that has expired, one of a CA that nobody named, one whose chain is not whole", async () => {
    const { approve } = await asked("meter-4");
    writeFileSync(file("index.txt"), "");
    writeFileSync(file("serial.txt"), "01\n");
    writeFileSync(file("ca.cnf"), caConfiguration);
    const times = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
    const by = [
      "-config",
      "ca.cnf",
      "-cert",
      "meters.pem",
      "-keyfile",
      "meters.key",
      "-rand_serial",
    ];
    const what = ["-in", "meter-4.csr", "-extfile", "meter-4.ext", "-out", "meter-4.pem"];
    await openssl("ca", "-batch", "-notext", ...by, ...times, ...what);
    const late = chain("late.pem", "meter-4.pem", "meters.pem");
    await expect(approve(late)).rejects.toMatchObject(code("CERTIFICATE_OUT_OF_TIME"));
    await sign("meter-4", "stranger");
    const strange = chain("strange.pem", "meter-4.pem");
    await expect(approve(strange)).rejects.toMatchObject(code("CHAIN_NOT_TRUSTED"));
    await sign("meter-4", "meters");
    const short = chain("short.pem", "meter-4.pem");
    await expect(approve(short)).rejects.toMatchObject(code("CHAIN_NOT_TRUSTED"));
    await openssl("genrsa", "-out", "rsa.key", "2048");
    writeFileSync(
      file("rsa.ext"),
      "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n",
    );
    await openssl("req", "-new", "-key", "rsa.key", "-subj", "/CN=rsa", "-out", "rsa.csr");
    await sign("rsa", undefined);
    await sign("meter-4", "rsa");
    const pkcs1 = chain("pkcs1.pem", "meter-4.pem", "rsa.pem");
    await expect(approve(pkcs1)).rejects.toMatchObject(code("RSA PKCS #1 v1.5 with SHA-256"));
    writeFileSync(file("empty.pem"), "no certificate\n");
    await expect(approve(file("empty.pem"))).rejects.toMatchObject(
      code("CERTIFICATE_FILE_INVALID"),
    );
  }, 300_000);

  test("one below a CA that may have none below it, one by what is no CA, and a CA's own", async () => {
    const { approve } = await asked("meter-5");
    await makeCa("deeper", "meters");
    await sign("meter-5", "deeper");
    const deep = chain("deep.pem", "meter-5.pem", "deeper.pem", "meters.pem");
    await expect(approve(deep)).rejects.toMatchObject(code("CHAIN_PATH_TOO_LONG"));
    writeFileSync(
      file("leaf.ext"),
      "basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n",
    );
    const key = [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "leaf.key",
    ];
    await openssl("req", "-new", ...key, "-subj", "/CN=leaf", "-out", "leaf.csr");
    await sign("leaf", "root");
    await sign("meter-5", "leaf");
    const leafless = chain("leafless.pem", "meter-5.pem", "leaf.pem");
    await expect(approve(leafless)).rejects.toMatchObject(code("CHAIN_ISSUER_NOT_CA"));
    writeFileSync(
      file("meter-5.ext"),
      readFileSync(file("meter-5.ext"), "utf8").replace("CA:FALSE", "CA:TRUE"),
    );
    await sign("meter-5", "meters");
    const own = chain("own.pem", "meter-5.pem", "meters.pem");
    await expect(approve(own)).rejects.toMatchObject(code("CHAIN_LEAF_IS_CA"));
  }, 300_000);
});
