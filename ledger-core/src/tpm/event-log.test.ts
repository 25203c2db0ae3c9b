/** Event logs against the TPM that the same digests were extended into, and against tpm2_eventlog. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { concat, toHex, utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { eventLogBytesMax, eventLogEventsMax, parseEventLog, replayEventLog } from "./event-log.ts";
import { tpmAlgorithms } from "./tpm-numbers.ts";

const { sha1, sha256 } = tpmAlgorithms;
const types = { noAction: 3, separator: 4, action: 5, versionContent: 8 };

const u16 = (value: number) => Uint8Array.of(value & 255, value >> 8);
const u32 = (value: number) => new Uint8Array(new Uint32Array([value]).buffer, 0, 4);

/** The first event of every crypto agile log, for these banks. */
function header(banks: readonly (readonly [number, number])[]): Uint8Array {
  const content = concat(
    utf8("Spec ID Event03\0"),
    u32(0),
    Uint8Array.of(0, 2, 0, 2),
    u32(banks.length),
    ...banks.map(([hash, length]) => concat(u16(hash), u16(length))),
    Uint8Array.of(0),
  );
  return concat(u32(0), u32(types.noAction), new Uint8Array(20), u32(content.length), content);
}

type Event = { readonly pcr: number; readonly type: number; readonly content: Uint8Array };

const digestOf = ({ type, content }: Event) =>
  type === types.noAction ? new Uint8Array(32) : nodeCrypto.sha256(content);

function encode(event: Event): Uint8Array {
  const { pcr, type, content } = event;
  const digests = concat(u16(sha256), digestOf(event));
  return concat(u32(pcr), u32(type), u32(1), digests, u32(content.length), content);
}

const logOf = (events: readonly Event[]) => concat(header([[sha256, 32]]), ...events.map(encode));

const boot: readonly Event[] = [
  { pcr: 0, type: types.versionContent, content: utf8("firmware 1.2.3") },
  { pcr: 7, type: types.action, content: utf8("secure boot is on") },
  { pcr: 0, type: types.separator, content: new Uint8Array(4) },
  { pcr: 7, type: types.separator, content: new Uint8Array(4) },
  { pcr: 9, type: types.action, content: utf8("a kernel") },
];
const replay = (events: Parameters<typeof replayEventLog>[0]) =>
  replayEventLog(events, { hash: sha256, digest: nodeCrypto.sha256 });

describe.runIf(requirePart("swtpm") && requirePart("swtpm-tools") && requirePart("tpm2-tools"))(
  "beside real parts",
  () => {
    let swtpm: Swtpm;
    beforeAll(async () => {
      swtpm = await Swtpm.make();
    });
    afterAll(() => swtpm.remove());

    test("replays to what the TPM holds after the same extends", async () => {
      for (const event of boot)
        await swtpm.tool("tpm2_pcrextend", `${event.pcr}:sha256=${toHex(digestOf(event))}`);
      const values = replay(unwrap(parseEventLog(logOf(boot))));
      const printed = await swtpm.tool("tpm2_pcrread", "sha256:0,1,7,9");
      for (const pcr of [0, 1, 7, 9])
        expect(printed).toContain(toHex(values[pcr] ?? new Uint8Array()).toUpperCase());
    });

    test("replays to what tpm2_eventlog replays it to", async () => {
      writeFileSync(join(swtpm.work, "log"), logOf(boot));
      const printed = await swtpm.tool("tpm2_eventlog", "log");
      const values = replay(unwrap(parseEventLog(logOf(boot))));
      for (const pcr of [0, 7, 9])
        expect(printed).toContain(`${pcr}  : 0x${toHex(values[pcr] ?? new Uint8Array())}`);
    });
  },
);

test("begins PCR 0 with the locality that the platform started at, and extends no information", () => {
  const content = concat(utf8("StartupLocality\0"), Uint8Array.of(3));
  const informed = [{ pcr: 0, type: types.noAction, content }, ...boot.slice(0, 1)];
  const [value] = replay(unwrap(parseEventLog(logOf(informed))));
  const start = new Uint8Array(32);
  start[31] = 3;
  const expected = nodeCrypto.sha256(concat(start, nodeCrypto.sha256(utf8("firmware 1.2.3"))));
  expect(toHex(value ?? new Uint8Array())).toBe(toHex(expected));
});

test("refuses by name a log of SHA-1 alone, one too long, one with too many events", () => {
  const code = (bytes: Uint8Array) => {
    const parsed = parseEventLog(bytes);
    return parsed.ok ? "ok" : parsed.fault.code;
  };
  expect(code(header([[sha1, 20]]))).toBe("EVENT_LOG_SHA1_ONLY");
  expect(code(new Uint8Array(eventLogBytesMax + 1))).toBe("EVENT_LOG_TOO_LONG");
  const small = encode({ pcr: 1, type: types.action, content: new Uint8Array() });
  const many = (count: number) =>
    concat(header([[sha256, 32]]), ...Array.from({ length: count }, () => small));
  expect(code(many(eventLogEventsMax))).toBe("ok");
  expect(code(many(eventLogEventsMax + 1))).toBe("EVENT_LOG_TOO_LONG");
  expect(code(new Uint8Array())).toBe("EVENT_LOG_MALFORMED");
});

test("refuses every log that breaks off within an event, and says where that begins", () => {
  const whole = logOf(boot);
  const ends = new Set<number>();
  let end = header([[sha256, 32]]).length;
  for (const event of boot) {
    ends.add(end);
    end += encode(event).length;
  }
  for (let length = 0; length < whole.length; length++) {
    const parsed = parseEventLog(whole.subarray(0, length));
    if (ends.has(length)) expect(parsed.ok).toBe(true);
    else expect(parsed).toMatchObject({ ok: false, fault: { code: "EVENT_LOG_MALFORMED" } });
  }
});

test("throws on no bytes at all", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (noise, at) => {
      const bytes = logOf(boot).slice();
      bytes.set(noise.subarray(0, 16), at % (bytes.length - 16));
      const parsed = parseEventLog(bytes);
      if (parsed.ok) expect(replay(parsed.value)).toHaveLength(24);
      expect(typeof parseEventLog(noise).ok).toBe("boolean");
    }),
  );
});
