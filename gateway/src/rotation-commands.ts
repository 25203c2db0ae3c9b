/** What the `devices` commands do about devices that change their signing key. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import {
  parseRotationMessage,
  rotationIdentity,
  rotationTarget,
} from "@tamga/ledger-core/wire/key-rotation";
import { encodeRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import {
  encodeRotationFile,
  isRotationRequestFile,
  parseRotationFile,
} from "@tamga/ledger-core/wire/rotation-files";
import type { EnrolmentParts, SiteFacts } from "./registry/enrolment.ts";
import { approveAsked, approveRotation } from "./registry/key-rotation.ts";

/** What was refused, of which device or file. */
type Refusal = { readonly code: string; readonly what: string };

/**
 * Certifies the next key of a device, which waits for an operator or came as a file.
 *
 * @param asked.carried the text of the operator's `--request`, or "".
 * @param asked.key the operator's `--key`: only this key, in hexadecimal.
 * @returns undefined where nothing of that kind was asked for; else the text of the answer file, if there is to be one:
 *   over the line the device is told when it asks again.
 */
export async function approveNextKey(
  parts: EnrolmentParts,
  siteOf: (device: string) => SiteFacts,
  asked: {
    readonly device: string | undefined;
    readonly request?: string;
    readonly carried: string;
    readonly key?: string;
    readonly now: UnixMillis;
  },
): Promise<Result<string | undefined, Refusal> | undefined> {
  const { request: path, carried, now, key } = asked;
  if (path !== undefined) {
    if (!isRotationRequestFile(carried)) return undefined;
    const answer = await answerCarried(parts, siteOf, { text: carried, now, key });
    return answer.ok ? answer : err({ code: answer.fault.code, what: path });
  }
  const waiting = parts.registry.rotations.waiting().find((one) => one.device === asked.device);
  if (waiting === undefined) return undefined;
  const { device, to } = waiting;
  const refuse = (code: string) => err({ code, what: device });
  if (isOther(key, to)) return refuse("ENROLMENT_OTHER_KEY");
  const approved = await approveRotation(parts, siteOf(device), { device, now });
  if (!approved.ok) return refuse(approved.fault.code);
  process.stderr.write(
    `approved the next key of ${device}: ${toHex(to)}; it signs once it has asked again, within five minutes\n`,
  );
  return ok(undefined);
}

async function answerCarried(
  parts: EnrolmentParts,
  siteOf: (device: string) => SiteFacts,
  asked: {
    readonly text: string;
    readonly now: UnixMillis;
    readonly key: string | undefined;
  },
): Promise<Result<string, { readonly code: string }>> {
  const file = parseRotationFile("request", asked.text);
  if (!file.ok) return file;
  const { device } = file.value;
  const message = parseRotationMessage(file.value.message);
  if (!message.ok) return message;
  const request = rotationIdentity(nodeCrypto, message.value);
  const to = rotationTarget(message.value);
  if (request === undefined || to === undefined) return err({ code: "ENROLMENT_MALFORMED" });
  if (isOther(asked.key, to)) return err({ code: "ENROLMENT_OTHER_KEY" });
  const { now } = asked;
  const approved = await approveAsked(parts, siteOf(device), {
    device,
    message: message.value,
    now,
  });
  if (!approved.ok) return approved;
  process.stderr.write(`approved the next key of ${device}: ${toHex(to)}\n`);
  const answer = encodeRenewedMessage({ request, outcome: approved.value });
  return ok(encodeRotationFile("answer", { device, message: answer }));
}

function isOther(key: string | undefined, to: Uint8Array): boolean {
  return key !== undefined && key.toLowerCase() !== toHex(to);
}
