/** The named limits of the gateway. A test reaches each. */

import { messageBytesMax } from "@tamga/ledger-core/wire/limits";

/** Ranges that are apart from each other in what was received of one stream incarnation. */
export const intervalsPerIncarnationMax = 4_096;
/** Incarnations whose received ranges stay in memory, least recently used out first. */
export const incarnationsCachedMax = 4_096;
/** Devices whose counters stay in memory. */
export const devicesCachedMax = 4_096;
/** Statements and refusals that one transaction admits. */
export const admissionsPerBatchMax = 1_024;
/** Bytes of refused messages that are kept of one device; past it digest and count remain. */
export const quarantineBytesPerDeviceMax = 16 * 1_024 * 1_024;
/** Rows that one question to the lane answers; more goes in further pages. */
export const laneRowsPerPageMax = 1_024;
/** Incarnations of one gateway's lane: each restore or loss opens one. */
export const laneIncarnationsMax = 4_096;
/** Statements that wait for a verify thread, and that travel to one together. */
export const verifyQueueMax = 8_192;
export const verifyBatchMax = 64;
/** Of one device: statements that wait for a thread, and that travel together while others wait. */
export const verifyQueuePerDeviceMax = 512;
export const verifyShareMax = 16;
/** Heap of one verify thread in MiB, and the part of it for short-lived objects. */
export const verifyHeapMbMax = 64;
export const verifyYoungMbMax = 8;
/** Bytes of a CONNECT packet: a client id, no will, no password. */
export const connectBytesMax = 1_024;
/** Bytes of one MQTT packet: a message and its topic. */
export const packetBytesMax = messageBytesMax + 4_096;
/** Bytes of uplink messages that are received, checked or committed at one time; and of one device. */
export const bytesInFlightMax = 64 * 1_024 * 1_024;
export const bytesInFlightPerDeviceMax = 8 * 1_024 * 1_024;
/** Open connections, new ones a second, and how long a handshake and a CONNECT may take. */
export const connectionsMax = 2_048;
export const handshakesPerSecondMax = 200;
export const handshakeMsMax = 10_000;
export const connectMsMax = 10_000;
/** How long one packet may take to arrive, and one statement to be checked and committed. */
export const packetMsMax = 60_000;
export const commitMsMax = 20_000;
/** How often it is looked whether one is overdue. */
export const commitLookMs = 1_000;
/** Bytes on the way to devices that have not read them: to all, and to one. More is not sent. */
export const downlinkBytesMax = 64 * 1_024 * 1_024;
export const downlinkBytesPerDeviceMax = 4 * 1_024 * 1_024;
/** How long a device may leave its downlink unread once the socket is full. */
export const downlinkMsMax = 30_000;
/** How often the running gateway looks for what the `devices` commands wrote. */
export const registryLookMs = 1_000;
/** Enrolment requests that wait for an operator. */
export const enrolmentsPendingMax = 64;
/** One-time codes that nobody has used yet. */
export const invitationsMax = 1_024;
/** Signing keys that a device ever had, each with its certificate; a key a year is enough for its life. */
export const keysPerDeviceMax = 32;
/** Newest TLS certificates of a device that open a connection. */
export const tlsCertificatesPerDeviceMax = 4;
/** Pages of one `have` exchange. */
export const havePagesMax = 64;
/** Ranges that one exchange looks up of what is pending, and of what is kept; rows that it answers with. */
export const rangesPerHaveMax = 8_192;
export const answersPerHaveMax = 16_384;
/** Leaves that make a lane head worth its while; with fewer the next one waits longer, to a bound. */
export const leavesPerHeadWanted = 16;
/** Distinct refusal codes that are counted one by one. */
export const refusalsCountedMax = 256;
/** Rejections of one device at once, and a second after that: each is a leaf in the lane for ever. */
export const rejectionBurstMax = 1_024;
export const rejectionsPerSecondMax = 10;
/** Milliseconds that a transaction over HTTP may take to become final; it may still become so later. */
export const submitMsMax = 60_000;
/** Channels of one gateway, and patterns that name the devices of one. */
export const channelsMax = 64;
export const devicePatternsMax = 64;

/** Bytes of a file with makers' certificates: the TCG's collection of all of them is smaller. */
export const tpmRootFileBytesMax = 1_048_576;
/** Values, digests or versions in one list of a file of reference values. */
export const referenceListMax = 4_096;
/** Devices whose last appraisal is remembered; of others it is made at each look. */
export const attestedDevicesMax = 16_384;
/** Milliseconds between two looks for devices that are to be asked for evidence. */
export const challengeLookMs = 5_000;
/** Results that `attest history` shows of a device, the newest. */
export const attestationEventsMax = 256;
/** Device keys that are brought to the ledger in one turn, between two heads. */
export const keysPerTurnMax = 64;
/** Bytes of a PEM file with certificates of an organisation's CA. */
export const pemFileBytesMax = 131_072;
