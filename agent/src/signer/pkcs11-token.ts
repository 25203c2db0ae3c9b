/** Finds a PKCS#11 token and logs in to it, with a PIN that is tried once. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Cryptoki } from "./cryptoki.ts";
import { ck, ckrOf } from "./cryptoki.ts";
import type { Pkcs11KeyUri } from "./key-uri.ts";
import { pinFileBytesMax, slotsMax } from "./limits.ts";
import { readPrivateFile } from "./private-file.ts";

export interface Pkcs11Token {
  readonly slot: Buffer;
  readonly label: string;
  /** Maker and serial number: the same token in whichever slot. */
  readonly identity: string;
}

/** The one token that has every attribute of the URI. Throws TOKEN_NOT_FOUND, TOKEN_AMBIGUOUS. */
export function findToken(cryptoki: Cryptoki, uri: Pkcs11KeyUri): Pkcs11Token {
  const found: Pkcs11Token[] = [];
  let failure: unknown;
  for (const slot of cryptoki.C_GetSlotList(true).slice(0, slotsMax)) {
    try {
      const token = matchToken(cryptoki, slot, uri);
      if (token !== undefined) found.push(token);
    } catch (error) {
      // One slot whose token is half gone must not hide another.
      if (ckrOf(error) === undefined) throw error;
      failure = error;
    }
  }
  const [token, ...others] = found;
  if (others.length > 0) {
    throw new OperationalError(
      "TOKEN_AMBIGUOUS",
      "more than one token matches the key URI: name its serial",
      { details: { count: found.length } },
    );
  }
  if (token === undefined) {
    throw new OperationalError(
      "TOKEN_NOT_FOUND",
      "no token matches the key URI: is it plugged in?",
      {
        ...(failure === undefined ? {} : { cause: failure }),
        details: { token: uri.token ?? uri.serial ?? String(uri.slotId) },
      },
    );
  }
  return token;
}

/**
 * Reads a PIN, without the end of its line. Overwrite it with zeros after use. Throws
 * PIN_FILE_MISSING, PIN_FILE_PERMISSIONS, PIN_FILE_UNREADABLE.
 */
export async function readPin(path: string): Promise<Buffer> {
  const bytes = await readPrivateFile(path, { codes: pinFileCodes, bytesMax: pinFileBytesMax });
  let length = bytes.length;
  if (bytes[length - 1] === 0x0a) length--;
  if (bytes[length - 1] === 0x0d) length--;
  return bytes.subarray(0, length);
}

/**
 * Logs the session's user in, unless the token asks for none or another session of this process
 * has done it.
 *
 * @param refusingTokens gets the token where it refuses: whoever shares the set asks it no more.
 * Throws PIN_REFUSED and PIN_FINAL_TRY, both for good, and PIN_FILE_NOT_NAMED; or the token's
 *   own error where it went away meanwhile.
 */
export function logIn(
  cryptoki: Cryptoki,
  {
    token,
    session,
    pin,
    refusingTokens,
  }: {
    readonly token: Pkcs11Token;
    readonly session: Buffer;
    readonly pin: Buffer | undefined;
    readonly refusingTokens: Set<string>;
  },
): void {
  const { flags } = cryptoki.C_GetTokenInfo(token.slot);
  if ((flags & ck.CKF_LOGIN_REQUIRED) === 0) return;
  const { state } = cryptoki.C_GetSessionInfo(session);
  if (state === ck.CKS_RO_USER_FUNCTIONS || state === ck.CKS_RW_USER_FUNCTIONS) return;
  const refuse = (reason: string) => {
    refusingTokens.add(token.identity);
    return pinRefused(token, reason);
  };
  if (refusingTokens.has(token.identity)) throw pinRefused(token, "refused before");
  if ((flags & ck.CKF_USER_PIN_LOCKED) !== 0) throw refuse("CKF_USER_PIN_LOCKED");
  if ((flags & ck.CKF_USER_PIN_FINAL_TRY) !== 0) {
    refusingTokens.add(token.identity);
    throw new OperationalError(
      "PIN_FINAL_TRY",
      `one more wrong PIN locks the token ${token.label}, so it is not tried: log in once by hand ` +
        "(pkcs11-tool --login --test), correct the PIN file, then start again",
      { details: { token: token.label } },
    );
  }
  if (pin === undefined) {
    throw new OperationalError(
      "PIN_FILE_NOT_NAMED",
      "the token asks for a PIN: put it into a file and add pin-source=file:/path to the key URI",
      { details: { token: token.label } },
    );
  }
  try {
    cryptoki.C_Login(session, ck.CKU_USER, pin.toString("utf8"));
  } catch (error) {
    const ckr = ckrOf(error);
    if (ckr === undefined) throw error;
    if (ckr === "CKR_USER_ALREADY_LOGGED_IN") return;
    // What is neither success nor a token that left may have cost an attempt: count it as refused.
    if (tokenLeft.has(ckr) || !answers(cryptoki, token)) throw error;
    throw refuse(ckr);
  }
}

const pinFileCodes = {
  what: "PIN file",
  missing: "PIN_FILE_MISSING",
  permissions: "PIN_FILE_PERMISSIONS",
  unreadable: "PIN_FILE_UNREADABLE",
};

/** Answers to C_Login that say nothing about the PIN. */
const tokenLeft = new Set([
  "CKR_CRYPTOKI_NOT_INITIALIZED",
  "CKR_DEVICE_REMOVED",
  "CKR_SESSION_CLOSED",
  "CKR_SESSION_HANDLE_INVALID",
  "CKR_SLOT_ID_INVALID",
  "CKR_TOKEN_NOT_PRESENT",
  "CKR_TOKEN_NOT_RECOGNIZED",
]);

function pinRefused(token: Pkcs11Token, reason: string): OperationalError {
  return new OperationalError(
    "PIN_REFUSED",
    `the token ${token.label} refuses the PIN (${reason}); it is not tried again: correct the PIN ` +
      "file, unlock the token with its SO PIN if need be, then start again",
    { details: { token: token.label, reason } },
  );
}

function answers(cryptoki: Cryptoki, token: Pkcs11Token): boolean {
  try {
    cryptoki.C_GetTokenInfo(token.slot);
    return true;
  } catch {
    return false;
  }
}

function matchToken(cryptoki: Cryptoki, slot: Buffer, uri: Pkcs11KeyUri): Pkcs11Token | undefined {
  if (uri.slotId !== undefined && uri.slotId !== toNumber(slot)) return undefined;
  const info = cryptoki.C_GetTokenInfo(slot);
  const label = unpad(info.label);
  const manufacturer = unpad(info.manufacturerID);
  const serial = unpad(info.serialNumber);
  const pairs = [
    [uri.token, label],
    [uri.manufacturer, manufacturer],
    [uri.serial, serial],
    [uri.model, unpad(info.model)],
  ];
  if (pairs.some(([wanted, actual]) => wanted !== undefined && wanted !== actual)) return undefined;
  return { slot, label, identity: `${manufacturer}/${serial}/${label}` };
}

/** Fixed-width fields are padded with blanks; some drivers pad with zeros. */
function unpad(field: string): string {
  return field.replace(/[\0 ]+$/, "");
}

/** A CK_ULONG in the machine's byte order, which is little-endian wherever Node has builds. */
function toNumber(handle: Buffer): number {
  return handle.readUIntLE(0, Math.min(handle.length, 6));
}
