/** What a device's boot is held to: values of PCRs, events, versions, an age (RFC 9334 §8.3). */

import type { Digest } from "@tamga/ledger-core/base/bytes";

/** All lists are of lower-case hexadecimal digests of SHA-256. */
export type ReferenceValues = {
  /** Of the text that they were read from; an attestation result names it. */
  readonly digest: Digest;
  /** Allowed values by PCR of the SHA-256 bank; each PCR named here has to be quoted. */
  readonly pcrs: ReadonlyMap<number, ReadonlySet<string>>;
  /** Allowed digests over all quoted PCRs, in place of values one by one; absent: any. */
  readonly pcrDigests?: ReadonlySet<string>;
  /** Allowed digests of events in the boot log; absent: any, and no log is asked for. */
  readonly events?: ReadonlySet<string>;
  /** Versions that the agent may say it has; absent: any. */
  readonly agentVersions?: ReadonlySet<string>;
  /** Of evidence, in seconds. */
  readonly ageMax: number;
};
