/** The named limits of the running agent's shells; a test reaches each. */

/** Streams of one agent. */
export const streamsMax = 256;
/** Bundles of one stream that wait for their signature one by one; past it they wait together. */
export const closesAheadMax = 64;
/** Milliseconds of a stop that open bundles get for their signatures; then the journal keeps them. */
export const lastSignaturesMsMax = 4_000;
/** Milliseconds that evidence may take in the making: a TPM takes some seconds for its first primary key. */
export const attestMsMax = 60_000;
/** Milliseconds after which evidence that failed is tried again, where it is not asked for earlier. */
export const evidenceRetryMs = 60_000;
/** Milliseconds between two quotes that gateways ask for: the TPM signs readings, too. */
export const challengeRestMs = 10_000;
/** Milliseconds for which the judgement of the clock is not asked for again. */
export const clockQualityMs = 1_000;
/** Bytes of an answer over HTTP, at enrolment and for `status`. */
export const httpAnswerBytesMax = 2_097_152;
/** Milliseconds for one request over HTTP. */
export const httpRequestMsMax = 10_000;
/** Milliseconds between two looks for a wish for another key, and for the first receipt of a new one. */
export const rotationLookMs = 1_000;
/** Milliseconds after which a key that could not be used is tried again. */
export const rotationRetryMs = 30_000;
/** Milliseconds between two questions for the next key's certificate: doubled each time up to the most. */
export const rotationAskMsMin = 15_000;
export const rotationAskMsMax = 300_000;
/** Milliseconds that the command waits for the running agent's request. */
export const rotationRequestMsMax = 30_000;
/** Replaced keys whose URIs are remembered; bytes of the file that does, with a request and two chains. */
export const earlierKeysMax = 32;
export const rotationRecordBytesMax = 262_144;
/** Bytes of a file that holds a one-time code. */
export const codeBytesMax = 256;
/** Milliseconds between two looks for the answer to an enrolment request. */
export const enrolPollMs = 2_000;
