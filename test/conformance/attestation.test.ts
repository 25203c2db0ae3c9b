/** Attestation with a real TPM 2.0 emulator: quotes by tpm2-tools and by us, appraised; a reset is seen. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { closeEvidence, prepareEvidence } from "@tamga/agent/attestation/attester";
import { attestationKeyTemplate } from "@tamga/agent/tpm/key-templates";
import { socketTransport } from "@tamga/agent/tpm/socket-transport";
import { Tpm } from "@tamga/agent/tpm/tpm";
import { extendPcr, quote, readPcrs } from "@tamga/agent/tpm/tpm-attesting";
import { createPrimary } from "@tamga/agent/tpm/tpm-keys";
import type { Appraisal } from "@tamga/gateway/attestation/appraise";
import { appraise } from "@tamga/gateway/attestation/appraise";
import { bracket } from "@tamga/gateway/attestation/bracket";
import type { ReferenceValues } from "@tamga/gateway/attestation/reference-values";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { tpmAlgorithms, tpmHandles } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { EvidenceClaims } from "@tamga/ledger-core/wire/attestation-evidence";
import { statusOf } from "@tamga/ledger-core/wire/attestation-result";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../real-parts.ts";
import { claims, nonce } from "../support/attestation-samples.ts";
import { Swtpm } from "../support/swtpm.ts";
import { unwrap } from "../support/unwrap.ts";

const { sha256 } = tpmAlgorithms;
const { eventLog: _, ...state } = claims;
const { nonce: _nonce, ...unasked } = state;
const selected = { hash: sha256, indices: [0, 7, 16] };
const parts = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;

type Attested = { readonly evidence: Uint8Array; readonly key: Uint8Array };

describe.runIf(parts.every((part) => requirePart(part)))("attestation in an emulated TPM", () => {
  let swtpm: Swtpm;
  const use = <T>(run: (tpm: Tpm) => Promise<T>): Promise<T> =>
    Tpm.use(
      socketTransport({ path: swtpm.socket }),
      { clock: new SystemClock(), signal: AbortSignal.timeout(60_000) },
      run,
    );

  /** As the agent will: the attestation key is a primary of the endorsement hierarchy. */
  const attest = (said: Omit<EvidenceClaims, "eventLog">): Promise<Attested> =>
    use(async (tpm) => {
      const prepared = unwrap(prepareEvidence(nodeCrypto, said));
      const key = await createPrimary(tpm, tpmHandles.endorsement, attestationKeyTemplate);
      const { values } = await readPcrs(tpm, selected);
      const { qualifying } = prepared;
      const quoted = await quote(tpm, key.handle, { pcrs: [selected], qualifying });
      const evidence = closeEvidence(nodeCrypto, prepared, {
        quote: { attest: quoted.attest, signature: quoted.signatureBytes },
        banks: [{ hash: sha256, values }],
      });
      return { evidence: unwrap(evidence), key: key.publicBytes };
    });

  const judge = (
    { evidence, key }: Attested,
    given: { references: ReferenceValues; isAsked: boolean; previous?: Appraisal },
  ) =>
    appraise(nodeCrypto, evidence, {
      references: given.references,
      context: {
        device: state.device,
        attestationKey: key,
        isEndorsed: true,
        now: state.issuedAt,
        appraiser: { developer: "Tamga", build: "0.1.0" },
        ...(given.isAsked ? { asked: { nonce, at: state.issuedAt } } : {}),
        ...(given.previous === undefined ? {} : { previous: given.previous.quote }),
      },
    });

  /** The values that the TPM has now. */
  const referencesNow = async (): Promise<ReferenceValues> => {
    const { values } = await use((tpm) => readPcrs(tpm, selected));
    return {
      digest: nodeCrypto.sha256(utf8("reference values")),
      pcrs: new Map(values.map(({ index, value }) => [index, new Set([toHex(value)])])),
      ageMax: 60,
    };
  };

  beforeAll(async () => {
    swtpm = await Swtpm.make();
  });
  afterAll(() => swtpm.remove());

  test("our own quote is appraised; a PCR that was extended since contraindicates the next", async () => {
    const references = await referencesNow();
    const first = unwrap(judge(await attest(state), { references, isAsked: true }));
    expect(statusOf(first.result.modules.platform)).toBe("affirming");
    await use((tpm) => extendPcr(tpm, 16, { hash: sha256, digest: new Uint8Array(32).fill(5) }));
    const next = judge(await attest(state), { references, isAsked: true, previous: first });
    const { result, findings, quote: second } = unwrap(next);
    expect(findings).toEqual([{ code: "PCR_NOT_ALLOWED", pcr: 16 }]);
    expect(statusOf(result.modules.platform)).toBe("contraindicated");
    expect(second.clockInfo.clock).toBeGreaterThanOrEqual(first.quote.clockInfo.clock);
  });

  test("a quote that tpm2_quote made is appraised, and refused as another key's", async () => {
    const prepared = unwrap(prepareEvidence(nodeCrypto, state));
    const file = (name: string) => new Uint8Array(readFileSync(join(swtpm.work, name)));
    await swtpm.tool("tpm2_createprimary", "-C", "e", "-c", "primary");
    const attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda";
    const made = ["-C", "primary", "-G", "ecc:ecdsa-sha256:null", "-g", "sha256", "-a", attributes];
    await swtpm.tool("tpm2_create", ...made, "-u", "u", "-r", "r", "-c", "ak");
    await swtpm.tool("tpm2_readpublic", "-c", "ak", "-o", "ak.tss");
    const outputs = ["-m", "quoted", "-s", "signature", "-q", toHex(prepared.qualifying)];
    await swtpm.tool("tpm2_quote", "-c", "ak", "-l", "sha256:0,7,16", ...outputs);
    const { values } = await use((tpm) => readPcrs(tpm, selected));
    const evidence = closeEvidence(nodeCrypto, prepared, {
      quote: { attest: file("quoted"), signature: file("signature") },
      banks: [{ hash: sha256, values }],
    });
    const theirs = { evidence: unwrap(evidence), key: file("ak.tss").subarray(2) };
    const references = await referencesNow();
    const judged = unwrap(judge(theirs, { references, isAsked: true }));
    expect(statusOf(judged.result.modules.platform)).toBe("affirming");
    const ours = await attest(state);
    const mixed = judge({ ...theirs, key: ours.key }, { references, isAsked: true });
    expect(mixed).toMatchObject({ fault: { code: "QUOTE_OTHER_KEY" } });
  });

  test("two quotes of one boot bracket what lies between; a restarted TPM breaks the bracket", async () => {
    const references = await referencesNow();
    const first = unwrap(judge(await attest(unasked), { references, isAsked: false }));
    const [head] = unasked.streams;
    if (head === undefined) throw new Error("a stream");
    const later = { ...unasked, streams: [{ ...head, next: head.next + 8n }] };
    const given = { references, isAsked: false, previous: first };
    const second = unwrap(judge(await attest(later), given));
    const [range] = unwrap(bracket(first.quote, second.quote));
    expect(range).toMatchObject({ stream: "p1", from: head.next, to: head.next + 8n });
    await swtpm.stop();
    await swtpm.start();
    // Asked: after a power cut the clock may not be safe, and a nonce needs none.
    const changed = await referencesNow();
    const after = await attest(state);
    const third = unwrap(judge(after, { references: changed, isAsked: true, previous: second }));
    expect(bracket(second.quote, third.quote)).toMatchObject({ fault: { code: "BRACKET_RESET" } });
  });
});
