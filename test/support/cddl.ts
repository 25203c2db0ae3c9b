/**
 * As much of CDDL (RFC 8610) as `ledger-core/WIRE.md` is written in, to judge decoded CBOR by it: rules,
 * groups, choices, ranges, occurrences, enumerations, tags, and the controls .size, .cbor and .regexp.
 * What it does not know is an error, so that the document cannot say more than is checked.
 */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor, Tagged } from "@tamga/ledger-core/base/cbor";

type Literal = bigint | string;
type Type =
  | { readonly kind: "literal"; readonly value: Literal }
  | { readonly kind: "range"; readonly min: bigint; readonly max: bigint }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "choice"; readonly options: readonly Type[] }
  | { readonly kind: "control"; readonly name: string; readonly target: Type; readonly by: Type }
  | { readonly kind: "array" | "map" | "enumeration" | "group"; readonly entries: readonly Entry[] }
  | { readonly kind: "tag"; readonly tag: number; readonly content: Type };
type Entry = {
  readonly min: number;
  readonly max: number;
  /** Of a map's entry, `key =>`. */
  readonly key?: Literal;
  /** Of an array's or enumeration's entry, `label:`. */
  readonly label?: string;
  readonly type: Type;
};

const tokenPattern =
  /;.*|\s+|=>|\.\.|\.(?:size|cbor|regexp)\b|#6\.\d+|"(?:[^"])*"|-?\d+|[A-Za-z][A-Za-z0-9-]*|[=/,:()[\]{}?*&]/y;

/** A module of rules. Throws on syntax that it does not know. */
export class Cddl {
  readonly #rules = new Map<string, Type>();
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
    while (this.#at < this.#tokens.length) {
      const name = this.#next();
      this.#expect("=");
      if (this.#rules.has(name)) throw new Error(`rule ${name} stands twice`);
      this.#rules.set(name, this.#peek() === "(" ? this.#group("(", ")", "group") : this.#type());
    }
    for (const type of this.#rules.values()) this.#requireNames(type);
  }

  get names(): readonly string[] {
    return [...this.#rules.keys()];
  }

  /** Labels of a rule of the form `&( label: number, … )`, by their numbers. */
  enumeration(name: string): ReadonlyMap<number, string> {
    const type = this.#rules.get(name);
    if (type?.kind !== "enumeration") throw new Error(`${name} is no enumeration`);
    return new Map(type.entries.map((entry) => [numberOf(entry.type), entry.label ?? ""]));
  }

  /** @returns undefined where the value fits the rule, else the path where it first does not. */
  misfit(rule: string, value: CborValue): string | undefined {
    return this.#judge({ kind: "name", name: rule }, value, rule);
  }

  #judge(type: Type, value: CborValue, path: string): string | undefined {
    switch (type.kind) {
      case "literal":
        return literalOf(value) === type.value ? undefined : path;
      case "range": {
        const whole = literalOf(value);
        const fits = typeof whole === "bigint" && whole >= type.min && whole <= type.max;
        return fits ? undefined : path;
      }
      case "name": {
        const rule = this.#rules.get(type.name);
        if (rule !== undefined) return this.#judge(rule, value, path);
        return fitsBuiltIn(type.name, value) ? undefined : path;
      }
      case "choice": {
        const misfits = type.options.map((option) => this.#judge(option, value, path));
        return misfits.includes(undefined) ? undefined : longest(misfits, path);
      }
      case "control":
        return this.#judge(type.target, value, path) ?? this.#control(type, value, path);
      case "enumeration":
        return type.entries.some((entry) => this.#judge(entry.type, value, path) === undefined)
          ? undefined
          : path;
      case "array":
        return Array.isArray(value) ? this.#items(type.entries, value, path) : path;
      case "map":
        return value instanceof Map ? this.#fields(type.entries, value, path) : path;
      case "tag":
        return value instanceof Tagged && value.tag === type.tag
          ? this.#judge(type.content, value.value, path)
          : path;
      case "group":
        throw new Error(`${path}: a group is no type`);
    }
  }

  #control(
    { name, by }: Extract<Type, { kind: "control" }>,
    value: CborValue,
    path: string,
  ): string | undefined {
    if (name === ".cbor" && value instanceof Uint8Array) {
      const decoded = decodeCbor(value, value.length);
      return decoded.ok ? this.#judge(by, decoded.value, `${path}/cbor`) : path;
    }
    if (name === ".regexp" && by.kind === "literal" && typeof value === "string")
      return new RegExp(`^(?:${by.value})$`, "u").test(value) ? undefined : path;
    if (name === ".size" && (typeof value === "string" || value instanceof Uint8Array)) {
      const size = typeof value === "string" ? utf8(value).length : value.length;
      return this.#judge(by, size, `${path}/size`);
    }
    throw new Error(`${path}: ${name} does not go with this`);
  }

  /** Each entry takes as many items as it can: no array of ours needs to look further. */
  #items(entries: readonly Entry[], values: readonly CborValue[], path: string) {
    let at = 0;
    for (const entry of entries) {
      let taken = 0;
      while (taken < entry.max && at < values.length) {
        const misfit = this.#judge(entry.type, values[at] ?? null, `${path}.${at}`);
        if (misfit !== undefined && taken < entry.min) return misfit;
        if (misfit !== undefined) break;
        taken++;
        at++;
      }
      if (taken < entry.min) return `${path}.${at}`;
    }
    return at === values.length ? undefined : `${path}.${at}`;
  }

  #fields(entries: readonly Entry[], value: ReadonlyMap<unknown, CborValue>, path: string) {
    const fields = new Map<unknown, CborValue>();
    for (const [key, item] of value) fields.set(typeof key === "number" ? BigInt(key) : key, item);
    for (const { key, min, type } of this.#flat(entries)) {
      const item = fields.get(key);
      fields.delete(key);
      if (item === undefined && min > 0) return `${path}.${key}`;
      const misfit = item === undefined ? undefined : this.#judge(type, item, `${path}.${key}`);
      if (misfit !== undefined) return misfit;
    }
    const [unknown] = fields.keys();
    return unknown === undefined ? undefined : `${path}.${String(unknown)}`;
  }

  /** A map's entries with its groups put in. */
  #flat(entries: readonly Entry[]): readonly Entry[] {
    return entries.flatMap((entry) => {
      if (entry.key !== undefined) return [entry];
      const group = entry.type.kind === "name" ? this.#rules.get(entry.type.name) : undefined;
      if (group?.kind !== "group") throw new Error("an entry of a map has no key");
      return this.#flat(group.entries);
    });
  }

  #type(): Type {
    const options = [this.#controlled()];
    while (this.#peek() === "/") {
      this.#at++;
      options.push(this.#controlled());
    }
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: "choice", options };
  }

  #controlled(): Type {
    const target = this.#simple();
    const next = this.#peek();
    if (next === "..") {
      this.#at++;
      return { kind: "range", min: wholeOf(target), max: wholeOf(this.#simple()) };
    }
    if (!next.startsWith(".")) return target;
    this.#at++;
    return { kind: "control", name: next, target, by: this.#simple() };
  }

  #simple(): Type {
    const token = this.#next();
    if (token === "{") return this.#group(undefined, "}", "map");
    if (token === "[") return this.#group(undefined, "]", "array");
    if (token === "&") return this.#group("(", ")", "enumeration");
    if (token.startsWith("#6.")) {
      this.#expect("(");
      const content = this.#type();
      this.#expect(")");
      return { kind: "tag", tag: Number(token.slice(3)), content };
    }
    if (token === "(") {
      const type = this.#type();
      this.#expect(")");
      return type;
    }
    if (/^-?\d/.test(token)) return { kind: "literal", value: BigInt(token) };
    if (token.startsWith('"')) return { kind: "literal", value: token.slice(1, -1) };
    if (/^[A-Za-z]/.test(token)) return { kind: "name", name: token };
    throw new Error(`CDDL: unexpected ${token}`);
  }

  #group(open: string | undefined, close: string, kind: "array" | "map" | "enumeration" | "group") {
    if (open !== undefined) this.#expect(open);
    const entries: Entry[] = [];
    while (this.#peek() !== close) {
      entries.push(this.#entry());
      if (this.#peek() !== close) this.#expect(",");
    }
    this.#expect(close);
    return { kind, entries } as const;
  }

  #entry(): Entry {
    const occurrence = this.#occurrence();
    if (this.#peek(1) === ":") {
      const label = this.#next();
      this.#at++;
      return { ...occurrence, label, type: this.#type() };
    }
    const type = this.#type();
    if (this.#peek() !== "=>") return { ...occurrence, type };
    this.#at++;
    if (type.kind !== "literal") throw new Error("CDDL: a key is a number or a text");
    return { ...occurrence, key: type.value, type: this.#type() };
  }

  #occurrence(): { readonly min: number; readonly max: number } {
    if (this.#peek() === "?") {
      this.#at++;
      return { min: 0, max: 1 };
    }
    if (this.#peek(1) !== "*") return { min: 1, max: 1 };
    const [min, , max] = [this.#next(), this.#next(), this.#next()];
    return { min: Number(min), max: Number(max) };
  }

  #peek(ahead = 0): string {
    return this.#tokens[this.#at + ahead] ?? "";
  }

  #next(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new Error("CDDL: ends in the middle");
    return token;
  }

  #expect(token: string): void {
    const found = this.#next();
    if (found !== token) throw new Error(`CDDL: ${token} expected, ${found} found`);
  }

  #requireNames(type: Type): void {
    if (type.kind === "name" && !this.#rules.has(type.name)) fitsBuiltIn(type.name, null);
    if ("entries" in type) for (const entry of type.entries) this.#requireNames(entry.type);
    if (type.kind === "choice") for (const option of type.options) this.#requireNames(option);
    if (type.kind === "tag") this.#requireNames(type.content);
    if (type.kind === "control")
      for (const part of [type.target, type.by]) this.#requireNames(part);
  }
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const from = tokenPattern.lastIndex;
    const token = tokenPattern.exec(text)?.[0];
    if (token === undefined) throw new Error(`CDDL: cannot read ${text.slice(from, from + 20)}`);
    if (token.trim() !== "" && !token.startsWith(";")) tokens.push(token);
  }
  return tokens;
}

function fitsBuiltIn(name: string, value: CborValue): boolean {
  const whole = literalOf(value);
  switch (name) {
    case "uint":
      return typeof whole === "bigint" && whole >= 0n && whole < 2n ** 64n;
    case "bstr":
      return value instanceof Uint8Array;
    case "tstr":
      return typeof value === "string";
    case "bool":
      return typeof value === "boolean";
    case "true":
      return value === true;
    case "null":
      return value === null;
    case "any":
      return true;
    default:
      throw new Error(`CDDL: ${name} has no rule`);
  }
}

/** Whole numbers as bigint, texts as they are, nothing else. */
function literalOf(value: CborValue): Literal | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return typeof value === "bigint" || typeof value === "string" ? value : undefined;
}

function wholeOf(type: Type): bigint {
  if (type.kind === "literal" && typeof type.value === "bigint") return type.value;
  throw new Error("CDDL: a range has whole ends");
}

function numberOf(type: Type): number {
  return Number(wholeOf(type));
}

/** Of the options of a choice, the one that came furthest tells most. */
function longest(paths: readonly (string | undefined)[], fallback: string): string {
  return paths.reduce<string>(
    (best, path) => ((path ?? "").length > best.length ? (path ?? "") : best),
    fallback,
  );
}
