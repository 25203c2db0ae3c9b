/** What the doctor prints of text that others wrote. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { expect, test } from "vitest";
import { attempt, lineOf, ok, warn } from "./finding.ts";

test("a finding is one line, whatever a device calls itself", () => {
  // Clears the screen, sets the window's title, and writes a verdict of its own below.
  const label = "site\u001b[2J\u009b2J\u001b]0;owned\u0007\r\nok    key: all is well";
  const line = lineOf(warn(`tokens of /tmp/${label}.so`, `${label} is locked.`));
  expect(line.match(/\p{Cc}/gu)).toEqual(["\n"]);
  expect(line.endsWith("\n")).toBe(true);
  expect(line.startsWith("warn  tokens of /tmp/site\\u{1b}[2J\\u{9b}2J")).toBe(true);
  expect(lineOf(ok("tpm", "abc\u202ecba"))).toBe("ok    tpm: abc\\u{202e}cba\n");
  expect(lineOf(ok("key", "Zähler №1 – gut: „ja“."))).toBe("ok    key: Zähler №1 – gut: „ja“.\n");
});

test("what a check threw is a finding, and printed as harmlessly", async () => {
  const [finding] = await attempt("gateway", async () => {
    throw new OperationalError("GATEWAY_UNKNOWN", "it calls itself \u001b[31mroot\u001b[0m");
  });
  expect(finding && lineOf(finding)).toBe(
    "fail  gateway: it calls itself \\u{1b}[31mroot\\u{1b}[0m [GATEWAY_UNKNOWN]\n",
  );
});
