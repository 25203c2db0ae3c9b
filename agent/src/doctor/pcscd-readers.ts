/**
 * Asks the machine's PC/SC service which readers it sees, over its own socket: pcsc-lite's protocol 4.4
 * (winscard_msg.h), of which two questions are enough, and no native package is.
 */

import type { Socket } from "node:net";
import { connect } from "node:net";
import { concat } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";

export type PcscReader = { readonly name: string; readonly hasCard: boolean };

/** Milliseconds for the whole exchange. */
const askMsMax = 5_000;

const commands = { version: 0x11, readersState: 0x12 } as const;
const protocol = { major: 4, minor: 4 } as const;
const versionBytes = 12;

/** READER_STATE (eventhandler.h): name, three numbers, ATR of 33 bytes, three to fill up, its length. */
const stateBytes = 180;
const stateAt = 132;
const nameBytes = 128;
const readersMax = 16;
/** SCARD_PRESENT of the service's own states. */
const cardPresent = 0x0004;

/**
 * @param socket e.g. `/run/pcscd/pcscd.comm`.
 * Throws PCSCD_ABSENT where nobody listens; PCSCD_NOT_ALLOWED; PCSCD_PROTOCOL_OTHER with what it said in
 * `details`; PCSCD_SILENT where it does not answer, or hangs up.
 */
export async function askPcscd(
  socket: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly PcscReader[]> {
  const late = deadline(askMsMax);
  const connection = await connected(socket);
  const end = AbortSignal.any([signal, late]);
  const hangUp = () => connection.destroy();
  end.addEventListener("abort", hangUp, { once: true });
  try {
    const answers = new Answers(connection);
    const { major, minor } = protocol;
    connection.write(message(commands.version, words(major, minor, 0)));
    const version = await answers.next(versionBytes);
    const [itsMajor, itsMinor, verdict] = [0, 4, 8].map((at) => version.getUint32(at, true));
    if (verdict !== 0) throw otherProtocol(`${itsMajor}.${itsMinor}`);
    connection.write(message(commands.readersState, new Uint8Array()));
    return readersOf(await answers.next(readersMax * stateBytes));
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    end.removeEventListener("abort", hangUp);
    connection.destroy();
  }
}

function readersOf(states: DataView): readonly PcscReader[] {
  const readers: PcscReader[] = [];
  for (let at = 0; at < states.byteLength; at += stateBytes) {
    const field = new Uint8Array(states.buffer, states.byteOffset + at, nameBytes);
    const end = field.indexOf(0);
    const name = new TextDecoder().decode(end === -1 ? field : field.subarray(0, end));
    if (name === "") continue;
    const state = states.getUint32(at + stateAt, true);
    readers.push({ name, hasCard: (state & cardPresent) !== 0 });
  }
  return readers;
}

/** Bytes that were asked for, out of a stream that comes in any pieces. */
class Answers {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(connection: Socket) {
    this.#chunks = connection[Symbol.asyncIterator]();
  }

  async next(length: number): Promise<DataView> {
    while (this.#rest.length < length) {
      const chunk = await this.#chunks.next().catch((cause: unknown) => {
        throw silent(cause);
      });
      if (chunk.done === true) throw silent(undefined);
      this.#rest = concat(this.#rest, chunk.value);
    }
    const answer = this.#rest.slice(0, length);
    this.#rest = this.#rest.subarray(length);
    return new DataView(answer.buffer);
  }
}

/** Numbers are in the machine's own order, which is little-endian wherever Node runs today but on s390x. */
function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  return bytes;
}

function message(command: number, content: Uint8Array): Uint8Array {
  return concat(words(content.length, command), content);
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (cause: NodeJS.ErrnoException) => reject(notConnected(path, cause)));
  });
}

function notConnected(path: string, cause: NodeJS.ErrnoException): OperationalError {
  const isForbidden = cause.code === "EACCES" || cause.code === "EPERM";
  return isForbidden
    ? new OperationalError("PCSCD_NOT_ALLOWED", `this user may not ask the service at ${path}`, {
        cause,
      })
    : new OperationalError("PCSCD_ABSENT", `no PC/SC service listens at ${path}`, { cause });
}

function otherProtocol(version: string): OperationalError {
  const { major, minor } = protocol;
  return new OperationalError(
    "PCSCD_PROTOCOL_OTHER",
    `the PC/SC service speaks protocol ${version}, and this agent ${major}.${minor}`,
    { details: { version } },
  );
}

function silent(cause: unknown): OperationalError {
  return new OperationalError(
    "PCSCD_SILENT",
    "the PC/SC service does not answer: systemctl restart pcscd",
    cause === undefined ? {} : { cause },
  );
}
