/** One data line of a P1 telegram: `A-B:C.D.E*F(value)(value)…` (IEC 62056-21 §6.5, data readout). */

/** An OBIS code in numbers; `text` is `A-B:C.D.E*F`. */
export type Obis = {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
  readonly text: string;
};

/** @property id the address as sent. `obis` is undefined where it is no OBIS code. */
export type P1Line = {
  readonly id: string;
  readonly obis: Obis | undefined;
  readonly groups: readonly string[];
};

/** @returns undefined unless the line is an address and one or more values in parentheses. */
export function parseP1Line(line: string): P1Line | undefined {
  const match = /^([^()]*)((?:\([^()]*\))+)$/.exec(line);
  if (match === null) return undefined;
  const id = match[1] ?? "";
  const groups = (match[2] ?? "").slice(1, -1).split(")(");
  return { id, obis: parseObis(id), groups };
}

/**
 * Parses an OBIS code as meters spell it. `A-` may be missing (`0:96.7.19`), a colon may stand for
 * a dot (`1-0:99:97.0`), F may follow a dot (`1-0:31.7.0.255`) and is 255 where it is missing; the
 * letters C, F, L, P in group C are 96 … 99 (IEC 62056-61, reduced identifiers).
 */
export function parseObis(text: string): Obis | undefined {
  const match = obisPattern.exec(text);
  if (match === null) return undefined;
  const number = (index: number, absent: number) => Number(match[index] ?? absent);
  const letter = "CFLP".indexOf(match[3] ?? "");
  const c = letter < 0 ? number(3, 0) : 96 + letter;
  const [a, b, d, e, f] = [number(1, 0), number(2, 0), number(4, 0), number(5, 0), number(6, 255)];
  if (Math.max(a, b, c, d, e, f) > 255) return undefined;
  return { a, b, c, d, e, f, text: `${a}-${b}:${c}.${d}.${e}*${f}` };
}

const obisPattern =
  /^(?:(\d{1,3})-)?(\d{1,3}):(\d{1,3}|[CFLP])[.:](\d{1,3})[.:](\d{1,3})(?:[*&.](\d{1,3}))?$/;
