// `npm test`: brings the real parts that the tests use, then runs every test file.
//
// As root on Debian it installs what is missing. Elsewhere it names what is missing, and the tests that
// need it are skipped aloud; with CI set a skip is a failure (test/real-parts.ts).

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { isPkcs11Built, rebuildPkcs11 } from "./native-part.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const parts = [
  { debian: "softhsm2", present: () => found("softhsm2-util"), for: "keys in a PKCS#11 token" },
  { debian: "socat", present: () => found("socat"), for: "serial lines over pty pairs" },
  { debian: "openssl", present: () => found("openssl"), for: "certificates read by another maker" },
  { debian: "faketime", present: () => found("faketime"), for: "a validator's clock that jumps" },
  { debian: "nftables", present: () => found("nft"), for: "packets that are lost, full disks" },
  { debian: "iproute2", present: () => found("ip"), for: "packets that are lost, full disks" },
  { debian: "swtpm", present: () => found("swtpm"), for: "keys in a TPM" },
  { debian: "swtpm-tools", present: () => found("swtpm_setup"), for: "a TPM's maker" },
  { debian: "tpm2-tools", present: () => found("tpm2_quote"), for: "quotes of another maker" },
  {
    debian: "libtpm2-pkcs11-1 libtpm2-pkcs11-tools",
    present: () => found("tpm2_ptool"),
    for: "keys in a second PKCS#11 module",
  },
  { debian: "opensc", present: () => found("pkcs11-tool"), for: "tokens of that module" },
  { debian: "pcscd", present: () => found("pcscd"), for: "smart card readers" },
  { debian: "vsmartcard-vpcd", present: () => found("vpcd-config"), for: "a reader of no metal" },
  { debian: "gdb", present: () => found("gcore"), for: "what a core shows of a process" },
  {
    debian: "g++ make python3",
    present: () => isPkcs11Built(root),
    make: () => rebuildPkcs11(root),
    for: "keys in a PKCS#11 token, whose binding is compiled",
  },
];

const missing = parts.filter((part) => !part.present());
if (missing.length > 0 && process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
  const names = missing.flatMap((part) => part.debian.split(" "));
  process.stderr.write(`tamga: installing ${names.join(", ")} for the tests …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (args) => spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"], env });
  if (apt(["install", "-y", "-qq", "--no-install-recommends", ...names]).status !== 0) {
    apt(["update", "-qq"]);
    apt(["install", "-y", "-qq", "--no-install-recommends", ...names]);
  }
  for (const part of missing) part.make?.();
}
for (const part of parts) {
  if (part.present()) continue;
  process.stderr.write(
    `tamga: SKIPPED ALOUD: Debian package ${part.debian} is missing; not tested: ${part.for}\n`,
  );
}

// The rigs come last and alone: they kill processes under load, and a neighbour would take the load away.
const rig = "test/end-to-end/rig/rig.test.ts";
const validators = "test/end-to-end/validators/validators.test.ts";
const given = process.argv.slice(2);
const phases = given.some((arg) => !arg.startsWith("-"))
  ? [given]
  : [
      ["--exclude", rig, "--exclude", validators, ...given],
      [rig, ...given],
      [validators, ...given],
    ];
const statuses = phases.map((args, phase) => runVitest([...args, ...reportTo(phase)]));
process.exit(statuses.find((status) => status !== 0) ?? 0);

function runVitest(args) {
  const all = ["run", "--config", "test/vitest.config.ts", ...args];
  return spawnSync("vitest", all, { stdio: "inherit" }).status ?? 70;
}

/** With TAMGA_TEST_REPORTS each phase also writes its counts there, as JSON. */
function reportTo(phase) {
  const folder = process.env.TAMGA_TEST_REPORTS;
  if (folder === undefined) return [];
  return [
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${folder}/tests-${phase}.json`,
  ];
}

function found(command) {
  return spawnSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" }).status === 0;
}
