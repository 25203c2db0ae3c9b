/**
 * P1 telegrams for the emulated meter, made after captured ones (`test/corpus/dsmr-p1`): the makers'
 * own lines in their order, with identities that are plainly no real meter's.
 */

/** What an emulated meter shows in one telegram. Energies in Wh, powers in W, gas in dm3. */
export type MeterState = {
  readonly sequence: number;
  /** `YYMMDDhhmmssW` of the telegram, and of the last gas value. */
  readonly time: string;
  readonly gasTime: string;
  readonly serial: string;
  readonly imported: readonly [number, number];
  readonly exported: readonly [number, number];
  readonly power: number;
  readonly gas: number;
  readonly volts: number;
};

export const telegramNames = ["dsmr5", "fluvius", "swedish", "small"] as const;
export type TelegramName = (typeof telegramNames)[number];

/** @returns the telegram as it goes over the line: CR LF line ends and its checksum. */
export function renderTelegram(name: TelegramName, state: MeterState): Uint8Array {
  const body = `${templates[name](state).join("\r\n")}\r\n!`;
  const bytes = new TextEncoder().encode(`${body}0000\r\n`);
  const checksum = crcOf(bytes.subarray(0, body.length)).toString(16).toUpperCase();
  bytes.set(new TextEncoder().encode(checksum.padStart(4, "0")), body.length);
  return bytes;
}

const templates: Readonly<Record<TelegramName, (state: MeterState) => string[]>> = {
  dsmr5: (state) => [
    "/ISK5\\2M550T-1012",
    "",
    "1-3:0.2.8(50)",
    `0-0:1.0.0(${state.time})`,
    `0-0:96.1.1(${octets(state.serial)})`,
    `1-0:1.8.1(${thousandths(state.imported[0], 6)}*kWh)`,
    `1-0:1.8.2(${thousandths(state.imported[1], 6)}*kWh)`,
    `1-0:2.8.1(${thousandths(state.exported[0], 6)}*kWh)`,
    `1-0:2.8.2(${thousandths(state.exported[1], 6)}*kWh)`,
    "0-0:96.14.0(0001)",
    `1-0:1.7.0(${thousandths(state.power, 2)}*kW)`,
    "1-0:2.7.0(00.000*kW)",
    "0-0:96.7.21(00005)",
    "0-0:96.7.9(00003)",
    "1-0:99.97.0(1)(0-0:96.7.19)(190326095015W)(0000002014*s)",
    "1-0:32.32.0(00001)",
    "1-0:32.36.0(00001)",
    `0-0:96.13.0(${octets(wireMessage(state.sequence))})`,
    `1-0:32.7.0(${tenths(state.volts)}*V)`,
    `1-0:31.7.0(${amperes(state)}*A)`,
    `1-0:21.7.0(${thousandths(state.power, 2)}*kW)`,
    "1-0:22.7.0(00.000*kW)",
    "0-1:24.1.0(003)",
    `0-1:96.1.0(${octets(`${state.serial}-GAS`)})`,
    `0-1:24.2.1(${state.gasTime})(${thousandths(state.gas, 5)}*m3)`,
  ],
  fluvius: (state) => [
    "/FLU5\\253769484_A",
    "",
    "0-0:96.1.4(50217)",
    `0-0:96.1.1(${octets(state.serial)})`,
    `0-0:1.0.0(${state.time})`,
    `1-0:1.8.1(${thousandths(state.imported[0], 6)}*kWh)`,
    `1-0:1.8.2(${thousandths(state.imported[1], 6)}*kWh)`,
    `1-0:2.8.1(${thousandths(state.exported[0], 6)}*kWh)`,
    `1-0:2.8.2(${thousandths(state.exported[1], 6)}*kWh)`,
    "1-0:1.4.0(02.351*kW)",
    "1-0:1.6.0(200509134558S)(02.589*kW)",
    "0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)",
    "0-0:96.14.0(0001)",
    `1-0:1.7.0(${thousandths(state.power, 2)}*kW)`,
    "1-0:2.7.0(00.000*kW)",
    `1-0:32.7.0(${tenths(state.volts)}*V)`,
    `1-0:31.7.0(${amperes(state)}*A)`,
    "0-0:96.3.10(1)",
    "0-0:17.0.0(999.9*kW)",
    "1-0:31.4.0(999*A)",
    `0-0:96.13.0(${octets(wireMessage(state.sequence))})`,
    "0-1:24.1.0(003)",
    `0-1:96.1.1(${octets(`${state.serial}-GAS`)})`,
    "0-1:24.4.0(1)",
    `0-1:24.2.3(${state.gasTime})(${thousandths(state.gas, 5)}*m3)`,
  ],
  swedish: (state) => [
    "/LGF5E360",
    "",
    `0-0:1.0.0(${state.time})`,
    `0-0:96.1.1(${octets(state.serial)})`,
    `1-0:1.8.0(${thousandths(state.imported[0] + state.imported[1], 8)}*kWh)`,
    `1-0:2.8.0(${thousandths(state.exported[0] + state.exported[1], 8)}*kWh)`,
    `1-0:1.7.0(${thousandths(state.power, 4)}*kW)`,
    "1-0:2.7.0(0000.000*kW)",
    "1-0:3.7.0(0000.135*kVAr)",
    "1-0:4.7.0(0000.000*kVAr)",
    `1-0:32.7.0(${tenths(state.volts)}*V)`,
    `1-0:31.7.0(${amperes(state)}.0*A)`,
    `0-0:96.13.0(${octets(wireMessage(state.sequence))})`,
  ],
  // One register and no more: the energy itself is the wire sequence, in Wh.
  small: (state) => [
    `/TST5${state.serial}`,
    "",
    `1-0:1.8.0(${thousandths(state.sequence, 9)}*kWh)`,
  ],
};

/** The message 0-0:96.13.0 of telegram `sequence`, by which a test accounts for each. */
export function wireMessage(sequence: number): string {
  return `EMULATED ${sequence}`;
}

function octets(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) =>
    byte.toString(16).toUpperCase().padStart(2, "0"),
  ).join("");
}

function thousandths(value: number, digits: number): string {
  const text = Math.trunc(value)
    .toString()
    .padStart(digits + 3, "0");
  return `${text.slice(0, -3)}.${text.slice(-3)}`;
}

function tenths(volts: number): string {
  return volts.toFixed(1);
}

function amperes(state: MeterState): string {
  return Math.round(state.power / state.volts)
    .toString()
    .padStart(3, "0");
}

/** CRC-16/ARC bit by bit: on purpose not the driver's code, which it is to check. */
function crcOf(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}
