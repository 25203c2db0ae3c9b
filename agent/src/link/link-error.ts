/** Turns what the operating system says of a line into a code and a sentence that says what to do. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";

/** @param cause the error of the serial port or socket. */
export function linkError(name: string, cause: unknown): OperationalError {
  if (cause instanceof OperationalError) return cause;
  const text = describe(cause);
  const { code, advice } =
    advices.find(({ pattern }) => pattern.test(text)) ??
    ({ code: "LINK_FAILED", advice: `it failed (${text}).` } as const);
  return new OperationalError(code, `${name}: ${advice}`, { cause, details: { link: name } });
}

const advices: readonly {
  readonly pattern: RegExp;
  readonly code: string;
  readonly advice: string;
}[] = [
  {
    pattern: /EACCES|EPERM|permission denied/i,
    code: "LINK_PERMISSION",
    advice:
      "permission denied; add the user to the group dialout (sudo usermod -aG dialout USER) and log in again.",
  },
  {
    pattern: /ENOENT|ENXIO|ENODEV|no such (file|device)|not found|ENOTFOUND|EAI_AGAIN/i,
    code: "LINK_NOT_FOUND",
    advice: "it does not exist; check the cable and the name (ls /dev/serial/by-id).",
  },
  {
    pattern: /EBUSY|EAGAIN|cannot lock|resource busy|temporarily unavailable|access denied/i,
    code: "LINK_BUSY",
    advice: "another program has it open; stop that one first (fuser shows which).",
  },
  {
    pattern: /ECONNREFUSED/,
    code: "LINK_REFUSED",
    advice: "nobody listens there; check that the device is on and the port is right.",
  },
  {
    pattern: /ETIMEDOUT|TimeoutError|EHOSTUNREACH|ENETUNREACH/,
    code: "LINK_TIMEOUT",
    advice: "no answer; check the network between here and the device.",
  },
  {
    pattern: /ECONNRESET|EPIPE|EIO|disconnected|premature close/i,
    code: "LINK_LOST",
    advice: "the line went away while it was open; check plug and power.",
  },
  {
    pattern: /inappropriate ioctl|ENOTTY|invalid argument|EINVAL/i,
    code: "LINK_NOT_SERIAL",
    advice: "it is no serial port, or cannot do this speed.",
  },
];

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const code = "code" in cause ? ` ${String(cause.code)}` : "";
  return `${cause.name} ${cause.message}${code}`;
}
