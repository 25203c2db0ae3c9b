/** The agent's own version, as its start statements and `--version` say it. */

export const agentVersion = "0.1.0";
