/** Listens on a stream's line for a while: does it open, do bytes come, do they decode? */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import type { StreamConfig } from "../config.ts";
import { DecodeSession } from "../decode-session.ts";
import { createLink } from "../link/create-link.ts";
import type { Finding } from "./finding.ts";
import { fail, ok, warn } from "./finding.ts";

/** Ends with the first valid frame, or after `ms`. */
export async function checkLine(
  stream: StreamConfig,
  { ms, signal }: { readonly ms: number; readonly signal: AbortSignal },
): Promise<Finding> {
  const check = `stream ${stream.name}`;
  const link = createLink(stream.link);
  const session = new DecodeSession([stream.protocol]);
  const late = deadline(ms);
  let bytes = 0;
  try {
    for await (const chunk of link.open({ signal: AbortSignal.any([signal, late]) })) {
      bytes += chunk.length;
      if (session.push(chunk).length > 0)
        return ok(check, `${link.name} is open and a ${stream.protocol} frame was decoded.`);
    }
    return warn(check, `${link.name} was closed by the other side before a frame came.`);
  } catch (error) {
    signal.throwIfAborted();
    if (!late.aborted) {
      if (!(error instanceof OperationalError)) throw error;
      return fail(check, `${error.message} [${error.code}]`);
    }
  }
  return judgeSilence(check, { name: link.name, bytes, seconds: ms / 1_000, stream, session });
}

function judgeSilence(
  check: string,
  seen: {
    readonly name: string;
    readonly bytes: number;
    readonly seconds: number;
    readonly stream: StreamConfig;
    readonly session: DecodeSession;
  },
): Finding {
  const { name, bytes, seconds, stream, session } = seen;
  if (bytes === 0) {
    // A reader of ear tags is silent until somebody reads a tag.
    return warn(
      check,
      `${name} is open but silent for ${seconds} s: check that the device is on and, for a meter, ` +
        "that its port is activated; for a tag reader, read a tag.",
    );
  }
  const codes = Object.keys(session.summary().rejected);
  if (codes.length > 0) {
    return warn(
      check,
      `${name} sends ${stream.protocol} frames that are damaged (${codes.join(", ")}): check cable ` +
        "and speed.",
    );
  }
  return warn(
    check,
    `${name} sent ${bytes} bytes in ${seconds} s and nothing decodes as ${stream.protocol}: check ` +
      "speed, parity and protocol.",
  );
}
