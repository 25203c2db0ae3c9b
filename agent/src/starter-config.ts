/** The agent.toml that enrolment leaves behind: enough to run, with a first stream to fill in. */

import type { Identifier } from "@tamga/ledger-core/wire/identifier";

export function starterConfig(part: {
  readonly device: Identifier;
  readonly channel: Identifier;
  readonly profile: string;
  readonly key: string;
}): string {
  // A JSON string is a TOML basic string.
  const text = (value: string) => JSON.stringify(value);
  return `# Written at enrolment. Every key is explained in agent.example.toml.
device = ${text(part.device)}
channel = ${text(part.channel)}
profile = ${text(part.profile)}
key = ${text(part.key)}

# Your first meter: correct the line and take the marks away, then
#   tamga-agent doctor --data DIR && tamga-agent run --data DIR
#
# [[stream]]
# name = "main-meter"
# link = "serial:/dev/ttyUSB0?baud=115200"
# protocol = "dsmr-p1"
`;
}
