import { describe, expect, it } from "vitest";
import { keyUriSentence, parseKeyUri } from "./key-uri.ts";
import { keyUriLengthMax } from "./limits.ts";

const library = "module-path=/usr/lib/softhsm/libsofthsm2.so";

function parsed(text: string) {
  const result = parseKeyUri(text);
  if (!result.ok) throw new Error(result.fault.code);
  return result.value;
}

function fault(text: string) {
  const result = parseKeyUri(text);
  if (result.ok) throw new Error(`accepted: ${text}`);
  return result.fault;
}

describe("parseKeyUri", () => {
  it("reads the attributes of a PKCS#11 URI and their percent-encodings", () => {
    const text =
      "pkcs11:token=Site%20%C3%A9;manufacturer=SoftHSM%20project;serial=46ab;model=v2;" +
      `slot-id=7;object=device;id=%01%ff-;type=private?${library}&pin-source=file:/run/pin%20file`;
    expect(parsed(text)).toEqual({
      scheme: "pkcs11",
      token: "Site é",
      manufacturer: "SoftHSM project",
      serial: "46ab",
      model: "v2",
      slotId: 7,
      object: "device",
      id: Uint8Array.of(1, 255, 0x2d),
      modulePath: "/usr/lib/softhsm/libsofthsm2.so",
      pinFile: "/run/pin file",
    });
  });

  it.each([
    ["file:/etc/key.pem", "/etc/key.pem"],
    ["file:///etc/key.pem", "/etc/key.pem"],
    ["FILE://localhost/etc/key%20a.pem", "/etc/key a.pem"],
  ])("reads %s", (text, path) => {
    expect(parsed(text)).toEqual({ scheme: "file", path });
  });

  it.each(["file:/run/pin", "file:///run/pin", "/run/pin"])("takes a PIN from %s", (source) => {
    const uri = parsed(`pkcs11:token=t;object=o?${library}&pin-source=${source}`);
    expect(uri).toMatchObject({ pinFile: "/run/pin" });
  });

  it("reads what a token's maker calls SM2, in hexadecimal or decimal", () => {
    const of = (query: string) => {
      const parsed = parseKeyUri(`pkcs11:token=t;object=o?${library}${query}`);
      return parsed.ok && parsed.value.scheme === "pkcs11" ? parsed.value.sm2 : "refused";
    };
    expect(of("")).toBeUndefined();
    expect(of("&x-sm2-mechanism=0x80000101")).toEqual({
      mechanism: 0x8000_0101,
      input: "digest",
      keyType: undefined,
      keyGeneration: undefined,
    });
    const whole = "&x-sm2-mechanism=4294967295&x-sm2-input=message&x-sm2-key-type=0X1F";
    expect(of(`${whole}&x-sm2-key-generation=0`)).toEqual({
      mechanism: 0xffff_ffff,
      input: "message",
      keyType: 31,
      keyGeneration: 0,
    });
  });

  it("ignores unknown attributes of the query, as often as they come", () => {
    const uri = parsed(`pkcs11:token=t;object=o?${library}&x-vendor=1&x-vendor=2`);
    expect(uri).toMatchObject({ token: "t", object: "o", id: undefined, pinFile: undefined });
  });

  it.each([
    ["", "KEY_URI_SCHEME_UNKNOWN"],
    ["/etc/key.pem", "KEY_URI_SCHEME_UNKNOWN"],
    ["https://host/key", "KEY_URI_SCHEME_UNKNOWN"],
    ["tpm:", "KEY_URI_BAD_VALUE"],
    ["tpm:0x80000000", "KEY_URI_BAD_VALUE"],
    ["tpm:0x81800000", "KEY_URI_BAD_VALUE"],
    ["tpm:0x8102000", "KEY_URI_BAD_VALUE"],
    ["tpm:0x81020001?device=tpm0", "KEY_URI_BAD_VALUE"],
    ["tpm:0x81020001?swtpm=host", "KEY_URI_BAD_VALUE"],
    ["tpm:0x81020001?swtpm=host:70000", "KEY_URI_BAD_VALUE"],
    ["tpm:0x81020001?swtpm=/s&device=/dev/tpm0", "KEY_URI_BAD_VALUE"],
    ["tpm:0x81020001?swtpm=/s&swtpm=/t", "KEY_URI_DUPLICATE_ATTRIBUTE"],
    ["tpm:0x81020001?pin-value=1", "KEY_URI_UNKNOWN_ATTRIBUTE"],
    ["tpm:0x81020001?swtpm=/s?", "KEY_URI_BAD_VALUE"],
    ["file:key.pem", "KEY_URI_BAD_VALUE"],
    ["file:", "KEY_URI_BAD_VALUE"],
    ["file://host/key.pem", "KEY_URI_BAD_VALUE"],
    ["file:/etc/", "KEY_URI_BAD_VALUE"],
    ["file:/a%00b", "KEY_URI_BAD_VALUE"],
    ["file:/a%zz", "KEY_URI_BAD_VALUE"],
    ["file:/a%ff", "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o?${library}&pin-value=1234`, "KEY_URI_PIN_INLINE"],
    [`pkcs11:token=my token;object=o?${library}`, "KEY_URI_MALFORMED"],
    [`pkcs11:token=t;object=o;?${library}`, "KEY_URI_MALFORMED"],
    [`pkcs11:token=%4;object=o?${library}`, "KEY_URI_MALFORMED"],
    [`pkcs11:token;object=o?${library}`, "KEY_URI_MALFORMED"],
    [`pkcs11:token=t;token=u;object=o?${library}`, "KEY_URI_DUPLICATE_ATTRIBUTE"],
    [`pkcs11:token=t;object=o?${library}&${library}`, "KEY_URI_DUPLICATE_ATTRIBUTE"],
    [`pkcs11:token=t;object=o;x-vendor=1?${library}`, "KEY_URI_UNKNOWN_ATTRIBUTE"],
    [`pkcs11:token=t;object=o;slot-description=a?${library}`, "KEY_URI_UNKNOWN_ATTRIBUTE"],
    [`pkcs11:token=;object=o?${library}`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=%ff;object=o?${library}`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=a%00;object=o?${library}`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;id=?${library}`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:slot-id=-1;object=o?${library}`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o;type=cert?${library}`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o?${library}&pin-source=|command`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o?${library}&pin-source=pin.txt`, "KEY_URI_BAD_VALUE"],
    ["pkcs11:token=t;object=o?module-path=softhsm2.so", "KEY_URI_BAD_VALUE"],
    ["pkcs11:token=t;object=o?module-name=softhsm2", "KEY_URI_INCOMPLETE"],
    ["pkcs11:", "KEY_URI_INCOMPLETE"],
    [`pkcs11:object=o?${library}`, "KEY_URI_INCOMPLETE"],
    [`pkcs11:token=t?${library}`, "KEY_URI_INCOMPLETE"],
    [`pkcs11:token=t;object=o?${library}&x-sm2-input=message`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o?${library}&x-sm2-mechanism=SM2`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o?${library}&x-sm2-mechanism=4294967296`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o?${library}&x-sm2-mechanism=1&x-sm2-input=both`, "KEY_URI_BAD_VALUE"],
    [`pkcs11:token=t;object=o?${library}&x-sm2-mechanism=1&x-sm2-key-type=-1`, "KEY_URI_BAD_VALUE"],
    [
      `pkcs11:token=t;object=o?${library}&x-sm2-mechanism=1&x-sm2-mechanism=2`,
      "KEY_URI_DUPLICATE_ATTRIBUTE",
    ],
  ])("refuses %s with %s", (text, code) => {
    expect(fault(text).code).toBe(code);
    expect(keyUriSentence(fault(text)).length).toBeGreaterThan(20);
  });

  it("never repeats a PIN in a fault or its sentence", () => {
    const found = fault(`pkcs11:token=t;object=o?${library}&pin-value=918273`);
    expect(JSON.stringify(found) + keyUriSentence(found)).not.toContain("918273");
    expect(keyUriSentence(found)).toContain("pin-source=file:");
  });

  it("says where a malformed attribute starts", () => {
    const text = `pkcs11:token=t;object=o p?${library}`;
    expect(fault(text)).toEqual({ code: "KEY_URI_MALFORMED", offset: text.indexOf("object") });
  });

  it("holds its bound", () => {
    const text = "file:/".padEnd(keyUriLengthMax, "a");
    expect(parsed(text).scheme).toBe("file");
    expect(fault(`${text}a`)).toEqual({ code: "KEY_URI_TOO_LONG", limit: keyUriLengthMax });
  });

  it("never throws, whatever single character is changed", () => {
    const text = `pkcs11:token=t%20;object=o;id=%01?${library}&pin-source=file:/p`;
    let refused = 0;
    for (let index = 0; index < text.length; index++) {
      for (const other of ["%", ";", "?", "&", "=", "\0", "é", "\ud800", ""]) {
        const changed = text.slice(0, index) + other + text.slice(index + 1);
        if (!parseKeyUri(changed).ok) refused++;
      }
    }
    expect(refused).toBeGreaterThan(200);
  });
});
