/** `tamga-agent enrol`: by request and answer files, or over HTTP with a gateway nearby. */

import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Invitation } from "@tamga/ledger-core/daemon/invitation";
import {
  invitationHeader,
  isInvitationProven,
  parseInvitationProof,
  proveInvitation,
  readInvitationCode,
} from "@tamga/ledger-core/daemon/invitation";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { Command } from "commander";
import { Option } from "commander";
import { profiles } from "./config.ts";
import type { CheckedAnswer, EnrolmentKeys } from "./enrol.ts";
import { checkAnswer, defaultKey, makeRequest, requireTrust, writeEnrolment } from "./enrol.ts";
import { httpRequest, isLoopbackUrl } from "./http-client.ts";
import { parseCertificatesPem } from "./identity/pem.ts";
import { codeBytesMax, enrolPollMs } from "./limits-daemon.ts";
import { parseKeyAlgorithm } from "./signer/key-algorithm.ts";

type EnrolOptions = {
  readonly data: string;
  readonly device?: string;
  readonly key?: string;
  readonly keyAlgorithm?: string;
  readonly profile: (typeof profiles)[number];
  readonly out?: string;
  readonly answer?: string;
  readonly gateway?: string;
  readonly trustDigest?: string;
  readonly tpmCertificates?: string;
  readonly codeFile?: string;
  readonly wait: boolean;
};

const examples = `
Over the network, with the gateway on this machine:
  tamga-agent enrol --device meter-box-1 --gateway http://127.0.0.1:8480
  (an operator runs: tamga-gateway devices approve meter-box-1)
With a one-time code (an operator runs: tamga-gateway devices invite):
  tamga-agent enrol --device meter-box-1 --gateway http://gateway.lan:8480 --code-file -
With files, e.g. on a USB stick:
  tamga-agent enrol --device meter-box-1 --out request.json
  (an operator runs: tamga-gateway devices approve --request request.json --out answer.json)
  tamga-agent enrol --answer answer.json --trust-digest "1234 abcd ..."
`;

export function addEnrolCommand(program: Command): void {
  program
    .command("enrol")
    .description("make this device's keys, and get its certificates from a site")
    .option("--data <dir>", "data directory", ".")
    .option("--device <id>", "name of this device: letters, digits, dots, dashes, underscores")
    .option(
      "--key <uri>",
      "signing key, pkcs11:..., tpm:... or file:...; a file in the data directory",
    )
    .option(
      "--key-algorithm <name>",
      "of a signing key that is made now: es256 (the default), eddsa, sm2-sm3, or ps256 for a token without curves",
    )
    .addOption(
      new Option("--profile <name>", "production refuses keys in files")
        .choices(profiles)
        .default("development"),
    )
    .option("--out <file>", "write the request to this file; - is standard output")
    .option("--answer <file>", "take the site's answer in from this file")
    .option("--gateway <url>", "ask this gateway over HTTP, and wait for its approval")
    .option(
      "--trust-digest <hex>",
      "digest of the site's trust policy, as its operator reads it out",
    )
    .option(
      "--tpm-certificates <file>",
      "PEM certificates of the TPM's maker that the TPM does not hold; its own first, if that is one",
    )
    .option(
      "--code-file <file>",
      "with --gateway: a one-time code of the operator's, which approves at once and proves the site; - is standard input",
    )
    .option("--no-wait", "with --gateway: ask, and do not wait for the approval")
    .addHelpText("after", examples)
    .action((options: EnrolOptions) => enrol(options));
}

async function enrol(options: EnrolOptions): Promise<void> {
  const dataDir = resolve(options.data);
  const keys = {
    dataDir,
    key: options.key ?? defaultKey(dataDir),
    profile: options.profile,
    algorithm: algorithmOf(options),
    certificates: certificatesOf(options),
  };
  const stop = new AbortController();
  const onSignal = () => stop.abort(new OperationalError("ENROLMENT_STOPPED", "Stopped."));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const { signal } = stop;
  try {
    if (options.answer !== undefined) {
      const checked = await checkAnswer(readText(options.answer), keys, { signal });
      take(checked, keys, options.trustDigest);
    } else if (options.gateway !== undefined)
      await enrolOnline(options.gateway, options, keys, signal);
    else await writeRequest(options, keys, signal);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function writeRequest(
  options: EnrolOptions,
  keys: EnrolmentKeys,
  signal: AbortSignal,
): Promise<void> {
  const device = deviceOf(options);
  if (options.out === undefined)
    throw usage("Say where the request goes: --out FILE, --out - or --gateway URL.");
  const { text, thumbprint } = await makeRequest(device, keys, { signal });
  say(`this device's signing key: ${thumbprint}`);
  if (options.out === "-") process.stdout.write(text);
  else {
    writeFileSync(options.out, text);
    say(`${options.out}: give it to the gateway's operator, who answers with a file;`);
    say(`then run: tamga-agent enrol --data ${keys.dataDir} --answer FILE`);
  }
}

async function enrolOnline(
  gateway: string,
  options: EnrolOptions,
  keys: EnrolmentKeys,
  signal: AbortSignal,
): Promise<void> {
  const url = gatewayUrl(gateway);
  const device = deviceOf(options);
  const invitation = invitationOf(options);
  if (!isLoopbackUrl(url) && options.trustDigest === undefined && invitation === undefined) {
    throw usage(
      "Over a network somebody else could answer: ask the operator for a one-time code (--code-file), or for " +
        "the digest of the site's trust policy and give it as --trust-digest.",
    );
  }
  const { text: body, thumbprint } = await makeRequest(device, keys, { signal });
  if (invitation !== undefined) {
    await enrolInvited({ url, device, body, invitation }, options, keys, signal);
    return;
  }
  const asked = await httpRequest(new URL("/enrol", url), { body, signal });
  // Somebody may have been approved, and lost power before the answer was on disk.
  if (asked.status !== 202 && codeOf(asked.text) !== "DEVICE_EXISTS") throw refused(asked.text);
  say(`asked ${url.origin}; an operator approves with:`);
  say(`tamga-gateway devices approve ${device} --key ${thumbprint}`);
  if (!options.wait) return;
  const answerUrl = new URL(`/enrol/${device}`, url);
  const clock = new SystemClock();
  for (;;) {
    const found = await httpRequest(answerUrl, { signal });
    if (found.status === 200) {
      take(await checkAnswer(found.text, keys, { signal }), keys, options.trustDigest);
      return;
    }
    if (found.status !== 202) throw refused(found.text);
    await clock.sleep(enrolPollMs, { signal });
  }
}

/** A code stands for the operator on both sides: the gateway approves by it, and proves its answer by it. */
async function enrolInvited(
  part: {
    readonly url: URL;
    readonly device: Identifier;
    readonly body: string;
    readonly invitation: Invitation;
  },
  options: EnrolOptions,
  keys: EnrolmentKeys,
  signal: AbortSignal,
): Promise<void> {
  const { url, device, body, invitation } = part;
  const headers = { [invitationHeader]: proveInvitation(invitation, "request", body) };
  const asked = await httpRequest(new URL("/enrol", url), { body, headers, signal });
  if (asked.status !== 201) throw refused(asked.text);
  const found = await httpRequest(new URL(`/enrol/${device}`, url), { signal });
  if (found.status !== 200) throw refused(found.text);
  const proven = parseInvitationProof(found.header(invitationHeader) ?? "");
  const said = { purpose: "answer", text: found.text } as const;
  if (proven === undefined || !isInvitationProven(invitation.key, proven.proof, said))
    throw new OperationalError(
      "ENROLMENT_ANSWER_UNPROVEN",
      "Whoever answered does not know the code: this is not the site that gave it out, or the answer was changed. " +
        "Nothing was taken over.",
    );
  take(await checkAnswer(found.text, keys, { signal }), keys, options.trustDigest, true);
}

function invitationOf({ codeFile }: EnrolOptions): Invitation | undefined {
  if (codeFile === undefined) return undefined;
  if (codeFile === "-" && process.stdin.isTTY) say("type the code, then Enter and Ctrl-D");
  const text = new TextDecoder().decode(readBounded(codeFile, codeBytesMax));
  const read = readInvitationCode(text);
  if (read.ok) return read.value;
  throw new OperationalError(
    read.fault.code,
    `${codeFile === "-" ? "Standard input" : codeFile} holds no one-time code: it has 20 letters and digits, such as the operator read out.`,
  );
}

function take(
  checked: CheckedAnswer,
  keys: EnrolmentKeys,
  digest: string | undefined,
  isProven = false,
): void {
  const { answer, trustDigest, policy } = checked;
  if (digest !== undefined) requireTrust(checked, digest);
  const { config, written } = writeEnrolment(checked, keys);
  say(`enrolled as ${answer.device} in channel ${answer.channel} of ${policy.consortium}`);
  say(`trust policy ${trustDigest}`);
  if (isProven) say("the site proved that it knows the one-time code");
  else if (digest === undefined)
    say("compare this digest with the operator's before you rely on it");
  say(written ? `${config}: add your first [[stream]] there` : `${config}: left as it is`);
  say(`then run: tamga-agent doctor --data ${keys.dataDir}`);
}

function gatewayUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:") return url;
  throw usage("The gateway's address is http://host:port, as its status page.");
}

function algorithmOf({ keyAlgorithm }: EnrolOptions): Algorithm | undefined {
  if (keyAlgorithm === undefined) return undefined;
  const parsed = parseKeyAlgorithm(keyAlgorithm);
  if (parsed.ok) return parsed.value;
  const { code, name, reason } = parsed.fault;
  throw new OperationalError(
    code,
    `${name} is refused: ${reason}; es256, eddsa and ps256 are taken`,
  );
}

function certificatesOf({ tpmCertificates }: EnrolOptions): readonly Uint8Array[] {
  if (tpmCertificates === undefined) return [];
  const certificates = parseCertificatesPem(readText(tpmCertificates));
  if (certificates !== undefined) return certificates;
  throw new OperationalError(
    "TPM_CERTIFICATE_INVALID",
    `${tpmCertificates} holds no certificates in PEM, or too many; one in DER becomes PEM by: openssl x509 -inform der -in ${tpmCertificates}`,
  );
}

function deviceOf({ device }: EnrolOptions): Identifier {
  const parsed = parseIdentifier(device ?? "");
  if (parsed.ok) return parsed.value;
  throw usage("Name the device: --device ID, 1 to 64 letters, digits, dots, dashes, underscores.");
}

function readText(path: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (cause) {
    const sentence = `${path} cannot be read: check its path and its owner.`;
    throw new OperationalError("FILE_UNREADABLE", sentence, { details: { path }, cause });
  }
}

function refused(text: string): OperationalError {
  const code = codeOf(text) ?? "HTTP_REFUSED";
  const sentence = refusals[code] ?? `The gateway refuses the request (${code}).`;
  const own = code.startsWith("INVITATION_") ? code : "ENROLMENT_REFUSED";
  return new OperationalError(own, sentence, { details: { code } });
}

const refusals: Readonly<Record<string, string>> = {
  INVITATION_EXPIRED: "The code has expired: ask the operator for a new one.",
  INVITATION_OTHER_DEVICE: "The code is for a device of another name.",
  INVITATION_USED:
    "The code was used by another key; if that was not yours, tell the operator at once.",
  INVITATION_WRONG:
    "The gateway does not know this code: check each digit, and whose gateway it is.",
  ENROLMENT_PENDING_FULL: "Too many requests wait at the gateway: its operator clears the list.",
  DEVICE_UNKNOWN: "The gateway's operator has refused the request, or does not know it any more.",
};

function codeOf(text: string): string | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== "object" || json === null || !("code" in json)) return undefined;
    return typeof json.code === "string" && /^[A-Z_]{1,64}$/.test(json.code)
      ? json.code
      : undefined;
  } catch {
    return undefined;
  }
}

function usage(sentence: string): OperationalError {
  return new OperationalError("USAGE_ENROL", sentence);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
