/** Key URIs, the one line that names a private key: `pkcs11:` (RFC 7512), `tpm:` and `file:` (RFC 8089). */

import { concat, fromUtf8, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { TpmAddress } from "../tpm/socket-transport.ts";
import { keyUriLengthMax } from "./limits.ts";
import type { Sm2Vendor } from "./sm2-vendor.ts";
import { parseSm2Vendor, sm2Attributes } from "./sm2-vendor.ts";

export type KeyUri = FileKeyUri | Pkcs11KeyUri | TpmKeyUri;

export interface FileKeyUri {
  readonly scheme: "file";
  /** Absolute. */
  readonly path: string;
}

/** `tpm:0x81020001`, optionally `?device=/dev/tpmrm0`, `?swtpm=/run/swtpm.sock` or `?swtpm=127.0.0.1:2321`. */
export interface TpmKeyUri {
  readonly scheme: "tpm";
  /** Persistent handle of the owner's, 0x81000000 to 0x817fffff. */
  readonly handle: number;
  readonly at:
    | { readonly kind: "device"; readonly path: string }
    | { readonly kind: "swtpm"; readonly address: TpmAddress };
}

/** Every attribute that is given has to match; at least a token and a key are named. */
export interface Pkcs11KeyUri {
  readonly scheme: "pkcs11";
  readonly token: string | undefined;
  readonly manufacturer: string | undefined;
  readonly serial: string | undefined;
  readonly model: string | undefined;
  readonly slotId: number | undefined;
  /** CKA_LABEL of the key. */
  readonly object: string | undefined;
  /** CKA_ID of the key. */
  readonly id: Uint8Array | undefined;
  /** Absolute path of the PKCS#11 library. */
  readonly modulePath: string;
  /** Absolute path of the file that holds the PIN. */
  readonly pinFile: string | undefined;
  /** What the token's maker calls SM2; absent where the URI says nothing of it. */
  readonly sm2?: Sm2Vendor;
}

export type KeyUriFault =
  | { readonly code: "KEY_URI_TOO_LONG"; readonly limit: number }
  | { readonly code: "KEY_URI_SCHEME_UNKNOWN" }
  | { readonly code: "KEY_URI_PIN_INLINE" }
  | { readonly code: "KEY_URI_MALFORMED"; readonly offset: number }
  | { readonly code: "KEY_URI_DUPLICATE_ATTRIBUTE"; readonly attribute: string }
  | { readonly code: "KEY_URI_UNKNOWN_ATTRIBUTE"; readonly attribute: string }
  | { readonly code: "KEY_URI_BAD_VALUE"; readonly attribute: string }
  | { readonly code: "KEY_URI_INCOMPLETE"; readonly missing: string };

/**
 * Parses a key URI of at most {@link keyUriLengthMax} characters.
 *
 * An unknown attribute of the path is refused, since to ignore it would match more keys than it
 * names; an unknown attribute of the query is ignored. A PIN inside the URI is refused: it would
 * stand in configuration, process lists and logs. Faults: {@link KeyUriFault}; none carries a value.
 */
export function parseKeyUri(text: string): Result<KeyUri, KeyUriFault> {
  if (text.length > keyUriLengthMax) {
    return err({ code: "KEY_URI_TOO_LONG", limit: keyUriLengthMax });
  }
  const colon = text.indexOf(":");
  const scheme = text.slice(0, Math.max(colon, 0)).toLowerCase();
  switch (scheme) {
    case "file": {
      const path = filePath(text);
      return path === undefined
        ? err({ code: "KEY_URI_BAD_VALUE", attribute: "path" })
        : ok({ scheme, path });
    }
    case "pkcs11":
      return parsePkcs11(text, colon + 1);
    case "tpm":
      return parseTpm(text, colon + 1);
    default:
      return err({ code: "KEY_URI_SCHEME_UNKNOWN" });
  }
}

/** One sentence for people: what is wrong and what to write instead. */
export function keyUriSentence(fault: KeyUriFault): string {
  switch (fault.code) {
    case "KEY_URI_TOO_LONG":
      return `the key URI is longer than ${fault.limit} characters`;
    case "KEY_URI_SCHEME_UNKNOWN":
      return "a key URI starts with pkcs11:, tpm: or file:";
    case "KEY_URI_PIN_INLINE":
      return "the key URI holds a PIN (pin-value): put the PIN into a file and name the file with pin-source=file:/path";
    case "KEY_URI_MALFORMED":
      return `the key URI is malformed at character ${fault.offset}`;
    case "KEY_URI_DUPLICATE_ATTRIBUTE":
      return `the key URI gives ${fault.attribute} twice`;
    case "KEY_URI_UNKNOWN_ATTRIBUTE":
      return `the key URI has an attribute that is not supported: ${fault.attribute}`;
    case "KEY_URI_BAD_VALUE":
      return `the key URI has a value that cannot be used: ${fault.attribute}`;
    case "KEY_URI_INCOMPLETE":
      return `the key URI does not say: ${fault.missing}`;
  }
}

// RFC 7512 §2.3 has more (library-*, slot-description …): they are not looked at here, so they are
// refused like unknown ones.
const pathAttributes = [
  "token",
  "manufacturer",
  "serial",
  "model",
  "slot-id",
  "object",
  "id",
  "type",
];
const queryAttributes = ["module-path", "module-name", "pin-source", "pin-value", ...sm2Attributes];
// RFC 7512 §2.3: pk11-pchar and pk11-qchar.
const pathValue = /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*$/;
const queryValue = /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*$/;
const attributeName = /^[A-Za-z0-9_-]+$/;

type Attributes = ReadonlyMap<string, Uint8Array>;

function parsePkcs11(text: string, start: number): Result<Pkcs11KeyUri, KeyUriFault> {
  const mark = text.indexOf("?", start);
  const pathEnd = mark < 0 ? text.length : mark;
  const path = splitAttributes(text.slice(start, pathEnd), {
    separator: ";",
    offset: start,
    characters: pathValue,
    unknown: "refuse",
    known: pathAttributes,
  });
  if (!path.ok) return path;
  const query = splitAttributes(text.slice(pathEnd + 1), {
    separator: "&",
    offset: pathEnd + 1,
    characters: queryValue,
    unknown: "ignore",
    known: queryAttributes,
  });
  if (!query.ok) return query;
  return query.value.has("pin-value")
    ? err({ code: "KEY_URI_PIN_INLINE" })
    : fromAttributes(path.value, query.value);
}

function splitAttributes(
  text: string,
  rules: {
    readonly separator: string;
    /** Where `text` starts in the URI, for faults. */
    readonly offset: number;
    readonly characters: RegExp;
    readonly known: readonly string[];
    readonly unknown: "refuse" | "ignore";
  },
): Result<Attributes, KeyUriFault> {
  const attributes = new Map<string, Uint8Array>();
  if (text === "") return ok(attributes);
  let offset = rules.offset;
  for (const part of text.split(rules.separator)) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(equals, 0));
    const value = part.slice(equals + 1);
    if (!attributeName.test(name) || !rules.characters.test(value)) {
      return err({ code: "KEY_URI_MALFORMED", offset });
    }
    if (rules.known.includes(name)) {
      if (attributes.has(name)) {
        return err({ code: "KEY_URI_DUPLICATE_ATTRIBUTE", attribute: name });
      }
      attributes.set(name, percentDecode(value));
    } else if (rules.unknown === "refuse") {
      return err({ code: "KEY_URI_UNKNOWN_ATTRIBUTE", attribute: name });
    }
    offset += part.length + 1;
  }
  return ok(attributes);
}

function fromAttributes(path: Attributes, query: Attributes): Result<Pkcs11KeyUri, KeyUriFault> {
  const texts = new Map<string, string>();
  for (const [name, bytes] of [...path, ...query]) {
    if (name === "id") continue;
    const text = fromUtf8(bytes);
    if (text === undefined || text === "" || text.includes("\0")) {
      return err({ code: "KEY_URI_BAD_VALUE", attribute: name });
    }
    texts.set(name, text);
  }
  const id = path.get("id");
  const slotId = texts.get("slot-id");
  const pinSource = texts.get("pin-source");
  const pinFile = pinSource === undefined ? undefined : filePath(pinSource);
  const modulePath = texts.get("module-path");
  const bad = (attribute: string) => err({ code: "KEY_URI_BAD_VALUE", attribute });
  const missing = (what: string) => err({ code: "KEY_URI_INCOMPLETE", missing: what });
  if (id?.length === 0) return bad("id");
  if (slotId !== undefined && !/^\d{1,10}$/.test(slotId)) return bad("slot-id");
  if ((texts.get("type") ?? "private") !== "private") return bad("type");
  if (pinSource !== undefined && pinFile === undefined) return bad("pin-source");
  if (modulePath === undefined) return missing("module-path");
  if (!modulePath.startsWith("/")) return bad("module-path");
  if (!texts.has("token") && !texts.has("serial") && slotId === undefined) return missing("token");
  if (!texts.has("object") && id === undefined) return missing("object or id");
  const sm2 = parseSm2Vendor(texts);
  if (sm2 !== undefined && "bad" in sm2) return bad(sm2.bad);
  return ok({
    scheme: "pkcs11",
    token: texts.get("token"),
    manufacturer: texts.get("manufacturer"),
    serial: texts.get("serial"),
    model: texts.get("model"),
    slotId: slotId === undefined ? undefined : Number(slotId),
    object: texts.get("object"),
    id,
    modulePath,
    pinFile,
    ...(sm2 === undefined ? {} : { sm2 }),
  });
}

/** Persistent objects of the owner (TPM 2.0 Library, Part 2, §7.4, and Part 1, §37.4). */
const ownerHandles = { min: 0x8100_0000, max: 0x817f_ffff };
const deviceDefault = "/dev/tpmrm0";

function parseTpm(text: string, start: number): Result<TpmKeyUri, KeyUriFault> {
  const [handleText = "", queryText, ...more] = text.slice(start).split("?");
  const handle = /^0x[0-9a-f]{8}$/i.test(handleText) ? Number(handleText) : 0;
  if (handle < ownerHandles.min || handle > ownerHandles.max || more.length > 0)
    return err({ code: "KEY_URI_BAD_VALUE", attribute: "handle" });
  const query = splitAttributes(queryText ?? "", {
    separator: "&",
    offset: start + handleText.length + 1,
    characters: queryValue,
    unknown: "refuse",
    known: ["device", "swtpm"],
  });
  if (!query.ok) return query;
  const [device, swtpm] = ["device", "swtpm"].map((name) => {
    const value = query.value.get(name);
    return value === undefined ? undefined : fromUtf8(value);
  });
  if (query.value.size > 1) return err({ code: "KEY_URI_BAD_VALUE", attribute: "swtpm" });
  if (query.value.has("swtpm")) {
    const address = tpmAddress(swtpm ?? "");
    return address === undefined
      ? err({ code: "KEY_URI_BAD_VALUE", attribute: "swtpm" })
      : ok({ scheme: "tpm", handle, at: { kind: "swtpm", address } });
  }
  const path = query.value.has("device") ? filePath(device ?? "") : deviceDefault;
  return path === undefined
    ? err({ code: "KEY_URI_BAD_VALUE", attribute: "device" })
    : ok({ scheme: "tpm", handle, at: { kind: "device", path } });
}

function tpmAddress(text: string): TpmAddress | undefined {
  const path = filePath(text);
  if (path !== undefined) return { path };
  const [, host = "", digits = ""] = /^([A-Za-z0-9.-]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return host !== "" && port > 0 && port < 65_536 ? { host, port } : undefined;
}

/** @returns the path of `file:/p`, `file:///p`, `file://localhost/p` or a bare `/p`. */
function filePath(text: string): string | undefined {
  const encoded = /^file:(?:\/\/(?:localhost)?)?(\/(?!\/)[^?#]*)$/i.exec(text)?.[1];
  if (encoded === undefined) return /^\/(?!\/)[^\0]*$/.test(text) ? text : undefined;
  if (/%(?![0-9A-Fa-f]{2})/.test(encoded)) return undefined;
  const path = fromUtf8(percentDecode(encoded));
  return path === undefined || path.includes("\0") || path.endsWith("/") ? undefined : path;
}

/** Characters outside of percent-encodings stand for their UTF-8. */
function percentDecode(text: string): Uint8Array {
  const parts = text.split(/(%[0-9A-Fa-f]{2})/);
  return concat(
    ...parts.map((part, index) =>
      index % 2 === 0 ? utf8(part) : Uint8Array.of(Number.parseInt(part.slice(1), 16)),
    ),
  );
}
