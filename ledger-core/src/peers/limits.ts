/** The named limits of the links between peers (WIRE.md §17). A test reaches each. */

export type PeerLimits = {
  /** Bytes of one frame's body: a block of 1.1 MB with room to spare. */
  readonly frameBytesMax: number;
  /** Bytes of a frame's body before the other side has said hello. */
  readonly greetingBytesMax: number;
  /** Frames, and bytes of payload, that wait for one peer. */
  readonly queueFramesMax: number;
  readonly queueBytesMax: number;
  /** Connections that have not said hello: in all, and from one address. */
  readonly strangersMax: number;
  readonly strangersPerAddressMax: number;
  /** New connections a second: in all, and from one address. */
  readonly handshakesPerSecondMax: number;
  readonly handshakesPerAddressPerSecondMax: number;
  /** Addresses that the gate remembers. */
  readonly addressesMax: number;
  /** Milliseconds from the first byte to the hello. */
  readonly helloMsMax: number;
  /** Milliseconds for a connection of ours to be taken. */
  readonly dialMsMax: number;
  /** Milliseconds before a lost peer is dialled again: the first time, and at most. */
  readonly redialMsMin: number;
  readonly redialMsMax: number;
  /** The same, at most, of a node that is no member yet: its first link should not be long in coming. */
  readonly outsideMsMax: number;
  /** Milliseconds between two pings. */
  readonly keepAliveMs: number;
  /** Milliseconds without a byte from a peer, or without room for one to it; counted in whole pings. */
  readonly silentMsMax: number;
  /** Milliseconds that a link which gave way to another may take to drain. */
  readonly retireMsMax: number;
  /** What one peer may be served in a turn, in bytes; each frame counts as `frameCost` more. */
  readonly turnBytesMax: number;
  readonly frameCost: number;
  /** Bytes of one peer's frames that whoever receives them still works on. */
  readonly inboundBytesMax: number;
  /** Streams that one link relays, and how many of them its other side may have opened. */
  readonly relayStreamsMax: number;
  readonly relayStreamsPerPeerMax: number;
  /** Bytes of a relayed stream that are under way on one link, each way. */
  readonly relayWindowBytes: number;
  /** Bytes of one frame of a relayed stream. */
  readonly relayDataBytesMax: number;
  /** Bytes of one peer that are relayed in a second. */
  readonly relayBytesPerSecondMax: number;
  /** Relays between two peers: one border gateway of each organisation. */
  readonly relaysMax: number;
  /** Answers to a peer's relay frames that wait because it does not read them. */
  readonly relayControlMax: number;
};

export const peerLimits: PeerLimits = {
  frameBytesMax: 2 * 1_024 * 1_024,
  greetingBytesMax: 1_024,
  queueFramesMax: 4_096,
  queueBytesMax: 8 * 1_024 * 1_024,
  strangersMax: 64,
  strangersPerAddressMax: 16,
  handshakesPerSecondMax: 64,
  handshakesPerAddressPerSecondMax: 16,
  addressesMax: 1_024,
  helloMsMax: 10_000,
  dialMsMax: 10_000,
  redialMsMin: 250,
  redialMsMax: 30_000,
  outsideMsMax: 3_000,
  keepAliveMs: 10_000,
  silentMsMax: 35_000,
  retireMsMax: 5_000,
  turnBytesMax: 256 * 1_024,
  frameCost: 1_024,
  inboundBytesMax: 4 * 1_024 * 1_024,
  relayStreamsMax: 256,
  relayStreamsPerPeerMax: 128,
  relayWindowBytes: 128 * 1_024,
  relayDataBytesMax: 16 * 1_024,
  relayBytesPerSecondMax: 8 * 1_024 * 1_024,
  relaysMax: 2,
  relayControlMax: 512,
};
