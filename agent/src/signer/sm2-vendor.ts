/** The numbers that the maker of a PKCS#11 token has for SM2, as a key URI gives them: no standard has any. */

/** What a maker calls SM2, by the attributes `x-sm2-…` of a key URI. */
export type Sm2Vendor = {
  /** `x-sm2-mechanism`: the CK_MECHANISM_TYPE that signs, without a parameter; r ‖ s comes out of it. */
  readonly mechanism: number;
  /**
   * `x-sm2-input`: `digest`, SM3(Z_A ‖ message), which we hash; or `message`, of which the token makes that, with
   * the user ID of `base/sm2.ts`.
   */
  readonly input: "digest" | "message";
  /** `x-sm2-key-type`: CKA_KEY_TYPE of its SM2 keys; CKK_EC where it is not given. */
  readonly keyType: number | undefined;
  /** `x-sm2-key-generation`: makes a key pair; without it the token's own tool does. */
  readonly keyGeneration: number | undefined;
};

export const sm2Attributes = [
  "x-sm2-mechanism",
  "x-sm2-input",
  "x-sm2-key-type",
  "x-sm2-key-generation",
];

/**
 * @param texts attributes of a key URI.
 * @returns undefined where there are none, or the name of one that cannot be used.
 */
export function parseSm2Vendor(
  texts: ReadonlyMap<string, string>,
): Sm2Vendor | { readonly bad: string } | undefined {
  if (!sm2Attributes.some((name) => texts.has(name))) return undefined;
  const numbers = ["x-sm2-mechanism", "x-sm2-key-type", "x-sm2-key-generation"] as const;
  const bad = numbers.find((name) => texts.has(name) && numberOf(texts.get(name)) === undefined);
  if (bad !== undefined) return { bad };
  const mechanism = numberOf(texts.get("x-sm2-mechanism"));
  if (mechanism === undefined) return { bad: "x-sm2-mechanism" };
  const input = texts.get("x-sm2-input") ?? "digest";
  if (input !== "digest" && input !== "message") return { bad: "x-sm2-input" };
  return {
    mechanism,
    input,
    keyType: numberOf(texts.get("x-sm2-key-type")),
    keyGeneration: numberOf(texts.get("x-sm2-key-generation")),
  };
}

/** A CK_ULONG as makers' headers write it: `0x80000001`, or decimal; at most 32 bits, as pkcs11js has it. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text)) return undefined;
  const number = Number(text);
  return number <= 0xffff_ffff ? number : undefined;
}
