/** The link that a URI names. */

import type { ByteLink } from "./byte-link.ts";
import type { LinkUri } from "./link-uri.ts";
import { SerialLink } from "./serial-link.ts";
import { TcpLink } from "./tcp-link.ts";

/** Makes the link; nothing is opened before its `open` is iterated. */
export function createLink(uri: LinkUri): ByteLink {
  switch (uri.scheme) {
    case "serial":
      return new SerialLink(uri);
    case "tcp":
      return new TcpLink(uri);
  }
}
