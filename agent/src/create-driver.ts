/** The driver of each protocol id. */

import type { Driver, ProtocolId } from "./driver.ts";
import { DsmrP1Driver } from "./meter/dsmr-p1.ts";
import { Iso11784StickDriver } from "./rfid/iso11784-stick.ts";

/** A fresh driver; one for each line, since it holds what the line has begun. */
export function createDriver(protocol: ProtocolId): Driver {
  switch (protocol) {
    case "dsmr-p1":
      return new DsmrP1Driver();
    case "iso11784-stick":
      return new Iso11784StickDriver();
  }
}
