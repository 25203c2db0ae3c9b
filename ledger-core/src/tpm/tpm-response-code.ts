/** What a TPM's response code says, in words (TPM_RC, TPM 2.0 Library, Part 2, §6.6). */

export type TpmResponse = {
  /** As the standard names it, without TPM_RC_. */
  readonly name: string;
  /** Which handle, session or parameter of the command is meant, where the code says so. */
  readonly about?: string;
  /** The same command may succeed if it is sent again. */
  readonly isPassing: boolean;
};

/** @param code the response code of a TPM 2.0 command, not 0. */
export function describeTpmResponse(code: number): TpmResponse {
  if ((code & 0x80) !== 0) {
    const name = formatOne.get(code & 0x3f) ?? unknown(code);
    return { name, about: aboutOf(code), isPassing: false };
  }
  const isWarning = (code & 0x800) !== 0;
  const name = (isWarning ? warnings : errors).get(code & 0x7f) ?? unknown(code);
  return { name, isPassing: isWarning && passing.has(name) };
}

function aboutOf(code: number): string {
  const number = (code >> 8) & 0xf;
  if ((code & 0x40) !== 0) return `parameter ${number}`;
  return number > 7 ? `session ${number - 8}` : `handle ${number}`;
}

const unknown = (code: number) => `unknown code 0x${code.toString(16)}`;

const passing: ReadonlySet<string> = new Set(["YIELDED", "TESTING", "NV_RATE", "RETRY"]);

const formatOne: ReadonlyMap<number, string> = new Map([
  [0x01, "ASYMMETRIC"],
  [0x02, "ATTRIBUTES"],
  [0x03, "HASH"],
  [0x04, "VALUE"],
  [0x05, "HIERARCHY"],
  [0x07, "KEY_SIZE"],
  [0x08, "MGF"],
  [0x09, "MODE"],
  [0x0a, "TYPE"],
  [0x0b, "HANDLE"],
  [0x0c, "KDF"],
  [0x0d, "RANGE"],
  [0x0e, "AUTH_FAIL"],
  [0x0f, "NONCE"],
  [0x10, "PP"],
  [0x12, "SCHEME"],
  [0x15, "SIZE"],
  [0x16, "SYMMETRIC"],
  [0x17, "TAG"],
  [0x18, "SELECTOR"],
  [0x1a, "INSUFFICIENT"],
  [0x1b, "SIGNATURE"],
  [0x1c, "KEY"],
  [0x1d, "POLICY_FAIL"],
  [0x1f, "INTEGRITY"],
  [0x20, "TICKET"],
  [0x21, "RESERVED_BITS"],
  [0x22, "BAD_AUTH"],
  [0x23, "EXPIRED"],
  [0x24, "POLICY_CC"],
  [0x25, "BINDING"],
  [0x26, "CURVE"],
  [0x27, "ECC_POINT"],
]);

const errors: ReadonlyMap<number, string> = new Map([
  [0x00, "INITIALIZE"],
  [0x01, "FAILURE"],
  [0x03, "SEQUENCE"],
  [0x0b, "PRIVATE"],
  [0x19, "HMAC"],
  [0x20, "DISABLED"],
  [0x21, "EXCLUSIVE"],
  [0x24, "AUTH_TYPE"],
  [0x25, "AUTH_MISSING"],
  [0x26, "POLICY"],
  [0x27, "PCR"],
  [0x28, "PCR_CHANGED"],
  [0x2d, "UPGRADE"],
  [0x2e, "TOO_MANY_CONTEXTS"],
  [0x2f, "AUTH_UNAVAILABLE"],
  [0x30, "REBOOT"],
  [0x31, "UNBALANCED"],
  [0x42, "COMMAND_SIZE"],
  [0x43, "COMMAND_CODE"],
  [0x44, "AUTHSIZE"],
  [0x45, "AUTH_CONTEXT"],
  [0x46, "NV_RANGE"],
  [0x47, "NV_SIZE"],
  [0x48, "NV_LOCKED"],
  [0x49, "NV_AUTHORIZATION"],
  [0x4a, "NV_UNINITIALIZED"],
  [0x4b, "NV_SPACE"],
  [0x4c, "NV_DEFINED"],
  [0x50, "BAD_CONTEXT"],
  [0x51, "CPHASH"],
  [0x52, "PARENT"],
  [0x53, "NEEDS_TEST"],
  [0x54, "NO_RESULT"],
  [0x55, "SENSITIVE"],
]);

const warnings: ReadonlyMap<number, string> = new Map([
  [0x01, "CONTEXT_GAP"],
  [0x02, "OBJECT_MEMORY"],
  [0x03, "SESSION_MEMORY"],
  [0x04, "MEMORY"],
  [0x05, "SESSION_HANDLES"],
  [0x06, "OBJECT_HANDLES"],
  [0x07, "LOCALITY"],
  [0x08, "YIELDED"],
  [0x09, "CANCELED"],
  [0x0a, "TESTING"],
  [0x10, "REFERENCE_H0"],
  [0x11, "REFERENCE_H1"],
  [0x12, "REFERENCE_H2"],
  [0x18, "REFERENCE_S0"],
  [0x19, "REFERENCE_S1"],
  [0x1a, "REFERENCE_S2"],
  [0x20, "NV_RATE"],
  [0x21, "LOCKOUT"],
  [0x22, "RETRY"],
  [0x23, "NV_UNAVAILABLE"],
]);
