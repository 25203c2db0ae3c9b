/** Nominal types over plain ones, so that two numbers of different meaning cannot be swapped. */

declare const brandKey: unique symbol;

/** `T` marked with a name. One parser a brand mints it with {@link mint}; all else trusts the type. */
export type Brand<T, Name extends string> = T & { readonly [brandKey]: Name };

/** The one place of an `as`: only a brand's own parser calls this, after it has judged the value. */
export function mint<B extends Brand<unknown, string>>(value: unknown): B {
  return value as B;
}
