/** `tamga-agent decode`: every driver's window, on a file or on a live line, with no gateway. */

import { createReadStream } from "node:fs";
import process from "node:process";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { exitCodes } from "@tamga/ledger-core/daemon/exit-code";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { DecodeSummary } from "./decode-format.ts";
import { formatFrameJson, formatFrameText, formatSummary } from "./decode-format.ts";
import { DecodeSession } from "./decode-session.ts";
import type { DecodedFrame, ProtocolId } from "./driver.ts";
import { protocolIds } from "./driver.ts";
import { hexToBytes } from "./hex-input.ts";
import { createLink } from "./link/create-link.ts";
import type { LinkUri } from "./link/link-uri.ts";
import { explainLinkUriFault, parseLinkUri } from "./link/link-uri.ts";
import type { LinkState } from "./link/reconnecting-link.ts";
import { ReconnectingLink } from "./link/reconnecting-link.ts";

type DecodeOptions = {
  readonly protocol?: ProtocolId;
  readonly link?: LinkUri;
  readonly hex?: boolean;
  readonly json?: boolean;
};

/**
 * Adds the command. It sets `process.exitCode`: 0, 1 where no valid frame was found, 64 for a usage
 * error, 74 where the input could not be read.
 */
export function addDecodeCommand(program: Command): void {
  const command = program
    .command("decode")
    .description("decode a device's bytes from a file or a live line, with no gateway")
    .argument("[file]", "raw bytes as they came off the line; - is standard input")
    .addOption(
      new Option("--protocol <id>", "which protocol; without it, all are tried").choices(
        protocolIds,
      ),
    )
    .option("--link <uri>", "live, as serial:/dev/ttyUSB0?baud=115200 or tcp://host:port", linkUri)
    .option("--key <hex>", "decryption key, where the protocol has one", hexKey)
    .option("--auth-key <hex>", "authentication key, where the protocol has one", hexKey)
    .option("--hex", "the file is hexadecimal text; blanks and line ends are ignored")
    .option("--json", "one line of JSON a frame");
  command.action(async (file: string | undefined, options: DecodeOptions) => {
    if ((file === undefined) === (options.link === undefined))
      command.error("error: give either a FILE (or -) or --link URI", {
        exitCode: exitCodes.usage,
      });
    process.exitCode = await decode(file, options);
  });
}

/** Ends with the summary as the last line on stderr, whatever happened before. */
async function decode(file: string | undefined, options: DecodeOptions): Promise<number> {
  const session = new DecodeSession(
    options.protocol === undefined ? protocolIds : [options.protocol],
  );
  const print = async (frames: readonly DecodedFrame[]) => {
    for (const frame of frames)
      await write(
        options.json === true
          ? `${formatFrameJson(frame, nodeCrypto.sha256(frame.frame))}\n`
          : formatFrameText(frame),
      );
  };
  let failure: OperationalError | undefined;
  try {
    if (options.link !== undefined) await decodeLink(options.link, session, print);
    else await decodeFile(file ?? "-", options.hex === true, session, print);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    failure = error;
    complain(`${error.message} [${error.code}]`);
  }
  const summary: DecodeSummary = session.summary();
  complain(formatSummary(summary));
  if (failure !== undefined)
    return failure.code === "DECODE_NOT_HEX" ? exitCodes.usage : exitCodes.io;
  return summary.frames > 0 ? exitCodes.done : exitCodes.invalid;
}

type Print = (frames: readonly DecodedFrame[]) => Promise<void>;

async function decodeFile(
  file: string,
  isHex: boolean,
  session: DecodeSession,
  print: Print,
): Promise<void> {
  const raw: AsyncIterable<unknown> = file === "-" ? process.stdin : createReadStream(file);
  const bytes = bytesOf(raw, file);
  for await (const chunk of isHex ? hexToBytes(bytes) : bytes) await print(session.push(chunk));
  await print(session.end());
}

async function* bytesOf(raw: AsyncIterable<unknown>, file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of raw) {
      if (chunk instanceof Uint8Array) yield chunk;
      else if (typeof chunk === "string") yield utf8(chunk);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError("DECODE_READ_FAILED", `${file}: ${reason}`, { cause });
  }
}

/** Until SIGINT or SIGTERM. A line that cannot be opened at first is an error, later it is waited for. */
async function decodeLink(uri: LinkUri, session: DecodeSession, print: Print): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  let wasUp = false;
  let last: readonly DecodedFrame[] = [];
  const onState = (state: LinkState) => {
    if (state.phase === "up") wasUp = true;
    if (state.phase !== "down") return;
    if (!wasUp) throw new OperationalError(state.code, state.sentence);
    last = session.end();
    complain(`${state.sentence} Trying again in ${(state.retryInMs / 1000).toFixed(1)} s.`);
  };
  const link = new ReconnectingLink(createLink(uri), new SystemClock(), onState);
  complain(`${link.name}: reading; Ctrl-C ends it.`);
  try {
    for await (const chunk of link.open({ signal: stop.signal })) {
      await print(last);
      last = [];
      await print(session.push(chunk));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    await print(last);
    await print(session.end());
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function write(text: string): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise((resolve) => process.stdout.once("drain", resolve));
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

function linkUri(text: string): LinkUri {
  const parsed = parseLinkUri(text);
  if (!parsed.ok)
    throw new InvalidArgumentError(`${explainLinkUriFault(parsed.fault)} [${parsed.fault.code}]`);
  return parsed.value;
}

function hexKey(text: string): string {
  if (!/^(?:[0-9A-Fa-f]{2}){1,64}$/.test(text))
    throw new InvalidArgumentError("expected pairs of hexadecimal digits");
  return text;
}
