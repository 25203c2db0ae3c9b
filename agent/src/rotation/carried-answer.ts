/** An answer to a request for another key that came as a file: the command leaves it, the running agent takes it. */

import { existsSync, rmSync } from "node:fs";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { fsyncDirectory } from "@tamga/ledger-core/daemon/state-dir";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { RenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { parseRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { parseRotationFile } from "@tamga/ledger-core/wire/rotation-files";
import { deviceFile, writeDeviceFile } from "../identity/device-files.ts";
import { rotationRecordBytesMax } from "../limits-daemon.ts";

/** @throws OperationalError ROTATION_ANSWER_BAD */
export function parseAnswerFile(text: string, device: Identifier): RenewedMessage {
  const file = parseRotationFile("answer", text);
  if (!file.ok) throw bad(file.fault.code);
  if (file.value.device !== device) throw bad("ROTATION_OTHER_DEVICE");
  const message = parseRenewedMessage(file.value.message);
  if (!message.ok) throw bad(message.fault.code);
  return message.value;
}

/** On disk when it returns. */
export function leaveAnswer(dataDir: string, text: string): void {
  writeDeviceFile(dataDir, "nextAnswer", text);
}

/**
 * Has the agent take what was left, once: whatever comes of it is in its status, and the command may leave it again.
 *
 * @param take as {@link KeyRotation.take}.
 */
export async function takeLeftAnswer(
  { dataDir, device }: { readonly dataDir: string; readonly device: Identifier },
  take: (message: RenewedMessage) => Promise<boolean>,
): Promise<void> {
  const file = deviceFile(dataDir, "nextAnswer");
  if (!existsSync(file)) return;
  try {
    const text = new TextDecoder().decode(readBounded(file, rotationRecordBytesMax));
    await take(parseAnswerFile(text, device));
  } finally {
    rmSync(file, { force: true });
    fsyncDirectory(dataDir);
  }
}

function bad(fault: string): OperationalError {
  return new OperationalError(
    "ROTATION_ANSWER_BAD",
    `The answer cannot be used (${fault}): it may be to another device or another request; ask the gateway's operator again.`,
    { details: { fault } },
  );
}
