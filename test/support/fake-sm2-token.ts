/**
 * A fake of a token that has SM2: SoftHSM2 for sessions, logins, objects and templates, and software in this file for
 * the signature, since SoftHSM2 has none. It says nothing of any maker's token; its numbers are made up.
 */

import { randomBytes } from "node:crypto";
import { sm2UserId } from "@tamga/ledger-core/base/sm2";
import pkcs11js from "pkcs11js";
import { numberOf, sm2Digest, sm2PublicPoint, sm2SignatureOf } from "./sm2-keys.ts";

export type FakeSm2Options = {
  /** The numbers that it goes by. */
  readonly mechanism: number;
  readonly keyGeneration: number;
  /** A key type of its own; CKK_EC where left out. */
  readonly keyType?: number;
  /** What C_Sign wants. */
  readonly input: "digest" | "message";
  /** The user ID that it hashes where it hashes. */
  readonly userId?: string;
  /** Bytes that it appends to each signature: none, unless it is to be broken. */
  readonly more?: number;
};

const ckaKeyType = 0x100;
const ckaEcPoint = 0x181;
const ckmEcKeyPairGen = 0x1040;
type Template = { readonly type: number; readonly value?: unknown }[];

export class FakeSm2Token {
  readonly secret = new Uint8Array(randomBytes(32)).with(0, 1);
  /** Lengths of what it was given to sign, oldest first. */
  readonly inputs: number[] = [];
  readonly #options: FakeSm2Options;
  #signs = false;

  constructor(options: FakeSm2Options) {
    this.#options = options;
  }

  /** To hand to `Pkcs11Modules`: the real library, with the fake before it. */
  readonly load = async (path: string): Promise<pkcs11js.PKCS11> => {
    const library = new pkcs11js.PKCS11();
    library.load(path);
    const calls: Readonly<Record<string, unknown>> = this.#calls(library);
    return new Proxy(library, {
      get(target, name) {
        const member: unknown = calls[String(name)] ?? Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => Reflect.apply(member, target, args);
      },
    });
  };

  #calls(library: pkcs11js.PKCS11) {
    const { mechanism, keyGeneration, keyType } = this.#options;
    return {
      C_GenerateKeyPair: (
        session: Buffer,
        by: pkcs11js.Mechanism,
        publicTemplate: pkcs11js.Template,
        privateTemplate: pkcs11js.Template,
      ) => {
        const isOurs = by.mechanism === keyGeneration;
        const isTyped = [publicTemplate, privateTemplate].every((of) => typeIn(of) === keyType);
        if (isOurs && !isTyped) throw new Error("CKR_TEMPLATE_INCONSISTENT:208");
        const plain = (of: pkcs11js.Template) => of.filter(({ type }) => type !== ckaKeyType);
        const real = isOurs ? { mechanism: ckmEcKeyPairGen } : by;
        return library.C_GenerateKeyPair(
          session,
          real,
          plain(publicTemplate),
          plain(privateTemplate),
        );
      },
      C_GetAttributeValue: (session: Buffer, object: Buffer, asked: pkcs11js.Template) => {
        const [{ type } = { type: 0 }] = asked;
        if (type === ckaKeyType && keyType !== undefined) {
          const value = Buffer.alloc(8);
          value.writeUInt32LE(keyType);
          return [{ type, value }];
        }
        const real = library.C_GetAttributeValue(session, object, asked);
        const point = Buffer.from([4, 65, ...sm2PublicPoint(this.secret)]);
        return type === ckaEcPoint ? [{ type, value: point }] : real;
      },
      C_SignInit: (session: Buffer, by: pkcs11js.Mechanism, key: Buffer) => {
        this.#signs = by.mechanism === mechanism;
        if (!this.#signs) library.C_SignInit(session, by, key);
      },
      C_SignAsync: async (session: Buffer, input: Buffer, output: Buffer) => {
        if (!this.#signs) return library.C_SignAsync(session, input, output);
        const signature = this.#sign(input);
        signature.copy(output);
        return output.subarray(0, signature.length);
      },
    };
  }

  #sign(input: Buffer): Buffer {
    this.inputs.push(input.length);
    const { input: wants, userId = sm2UserId, more = 0 } = this.#options;
    if (wants === "digest" && input.length !== 32) throw new Error("CKR_DATA_LEN_RANGE:33");
    const point = sm2PublicPoint(this.secret);
    const e = wants === "digest" ? numberOf(input) : sm2Digest(point, input, userId);
    const signature = sm2SignatureOf(this.secret, e, new Uint8Array(randomBytes(32)).with(0, 1));
    return Buffer.concat([signature, Buffer.alloc(more)]);
  }
}

function typeIn(template: Template): unknown {
  return template.find(({ type }) => type === ckaKeyType)?.value;
}
