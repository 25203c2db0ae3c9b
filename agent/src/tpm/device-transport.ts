/** A TPM behind a device file of the kernel: `/dev/tpmrm0`, whose driver is a resource manager. */

import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { orAborted } from "../signer/abortable.ts";
import { codeOf } from "../signer/private-file.ts";
import { tpmCommandMsMax, tpmMessageBytesMax } from "./limits.ts";
import type { TpmLine, TpmTransport } from "./tpm-transport.ts";

/** @param path of a character device that takes one command a write and gives its response to the next read. */
export function deviceTransport(path: string): TpmTransport {
  return {
    name: path,
    isManaged: /rm\d*$/.test(path),
    open: async () => {
      try {
        return new DeviceLine(path, await open(path, "r+"));
      } catch (cause) {
        throw unavailable(path, cause);
      }
    },
  };
}

class DeviceLine implements TpmLine {
  readonly #path: string;
  readonly #file: FileHandle;

  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  async transmit(
    command: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const deadline = AbortSignal.timeout(tpmCommandMsMax);
    return orAborted(this.#exchange(command), {
      signal: AbortSignal.any([signal, deadline]),
    }).catch((cause: unknown) => {
      signal.throwIfAborted();
      if (!deadline.aborted) throw cause;
      throw new OperationalError("TPM_TIMEOUT", `the TPM at ${this.#path} does not answer`, {
        details: { limitMs: tpmCommandMsMax },
      });
    });
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }

  async #exchange(command: Uint8Array): Promise<Uint8Array> {
    try {
      await this.#file.write(command, 0, command.length, null);
      const response = new Uint8Array(tpmMessageBytesMax);
      const { bytesRead } = await this.#file.read(response, 0, response.length, null);
      return response.subarray(0, bytesRead);
    } catch (cause) {
      throw unavailable(this.#path, cause);
    }
  }
}

function unavailable(path: string, cause: unknown): OperationalError {
  const code = codeOf(cause) ?? "";
  return new OperationalError("TPM_UNAVAILABLE", `${sentences[code] ?? fallback} (${path})`, {
    cause,
    details: { path, code },
  });
}

const fallback = "the TPM cannot be reached: see `dmesg | grep -i tpm`";
const sentences: Readonly<Record<string, string>> = {
  ENOENT: "there is no such TPM: enable it in the firmware set-up, or name another device",
  EACCES: "this user may not use the TPM: add it to the group tss",
  EPERM: "this user may not use the TPM: add it to the group tss",
  EBUSY: "another program holds the TPM: use /dev/tpmrm0, which shares it",
};
