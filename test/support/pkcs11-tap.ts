/** The real PKCS#11 library with a tap on it: it counts calls, and lets a test act before one. */

import pkcs11js from "pkcs11js";

export type Pkcs11Tap = {
  /** To hand to `Pkcs11Modules`: loads the library and puts the tap on. */
  readonly load: (path: string) => Promise<pkcs11js.PKCS11>;
  /** How often each call was made. */
  readonly counts: Map<string, number>;
  /** The library itself, for what the code under test must not see coming. */
  readonly library: () => pkcs11js.PKCS11;
  /** Runs before the call passes through; a promise holds C_SignAsync up. */
  before: (call: string) => unknown;
  /** Sees the result before the caller does, and may change what it says. */
  after: (call: string, result: unknown) => void;
};

export function createPkcs11Tap(): Pkcs11Tap {
  let library: pkcs11js.PKCS11 | undefined;
  const counts = new Map<string, number>();
  const tap: Pkcs11Tap = {
    counts,
    before: () => undefined,
    after: () => undefined,
    library() {
      if (library === undefined) throw new Error("the library is not loaded yet");
      return library;
    },
    async load(path) {
      library = new pkcs11js.PKCS11();
      library.load(path);
      return new Proxy(library, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name);
          if (typeof member !== "function") return member;
          const call = String(name);
          return (...args: unknown[]) => {
            counts.set(call, (counts.get(call) ?? 0) + 1);
            const ready = tap.before(call);
            const pass = () => Reflect.apply(member, target, args);
            if (ready instanceof Promise) return ready.then(pass);
            const result: unknown = pass();
            tap.after(call, result);
            return result;
          };
        },
      });
    },
  };
  return tap;
}
