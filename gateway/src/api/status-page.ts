/** One page without a script, from the JSON of `status --json` and nothing else. */

import type { LedgerReport } from "../consortium/ledger-report.ts";
import type { GatewayStatus } from "./status.ts";

export function renderStatusPage(status: GatewayStatus): string {
  const { channels, devices, refusals } = status;
  const isOnly = channels.length === 1;
  const softwareKeys = devices.some((device) => device.keyKind === "file");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>Tamga ${escapeHtml(status.gateway)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top }
code { overflow-wrap: anywhere } .warn { color: #8a3b00; font-weight: 600 }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } .warn { color: #ffb27a } th, td { border-color: #444 } }
</style>
<h1>${escapeHtml(status.gateway)}</h1>
<p>State at <time>${escapeHtml(status.at)}</time>; the page asks again every five seconds.</p>
${softwareKeys ? '<p class="warn">At least one device signs with a software key in a file, not in hardware.</p>' : ""}
<h2>Devices</h2>
${table(
  ["device", "channel", "state", "key", "line", "certificate until", "attestation"],
  devices.map((device) => [
    device.device,
    device.channel,
    device.state,
    device.keyKind === "file" ? "file (software)" : device.keyKind,
    device.online ? "online" : "offline",
    device.certificateUntil ?? "",
    device.attestation === null
      ? "not judged"
      : [device.attestation.state, device.attestation.code ?? ""].join(" ").trim(),
  ]),
)}
${status.channels.map((channel) => channelSection(channel, isOnly)).join("")}<h2>Refused since the start</h2>
${table(
  ["code", "times"],
  Object.entries(refusals).map(([code, times]) => [code, String(times)]),
)}
<p>Bodies are kept in ${status.bodyCopies} copy: what survives the loss of this disk is what the agents still hold.</p>
</html>
`;
}

function channelSection(channel: GatewayStatus["channels"][number], isOnly: boolean): string {
  const of = isOnly ? "" : ` of ${escapeHtml(channel.channel)}`;
  if (channel.state === "stopped")
    return `<h2>Channel ${escapeHtml(channel.channel)}</h2>
<p class="warn">Stopped (${escapeHtml(channel.code)}): ${escapeHtml(channel.sentence)} Its devices keep their readings; what was acknowledged is in its lane.</p>
`;
  const { lane, ledger, consensus, trustDigest } = channel;
  return `<h2>Lane${of}</h2>
${table(
  ["fact", "value"],
  Object.entries(lane).map(([name, value]) => [name, String(value)]),
)}
<h2>Ledger${of}</h2>
${table(
  ["fact", "value"],
  Object.entries(ledger).map(([name, value]) => [name, String(value)]),
)}
${consensusSection(consensus, of)}<h2>Trust${of}</h2>
<p>Compare this digest of the trust policy with the one that your partner reads out: <code>${escapeHtml(trustDigest)}</code></p>
`;
}

function consensusSection(report: LedgerReport, of: string): string {
  const { quorum, epoch, view, finalHeight, finalAt, amnesia, halted } = report;
  const warning = halted ?? (amnesia === true ? "votes are doubted" : undefined);
  const isThere = quorum.isThere === true ? "there" : "NOT THERE";
  return `<h2>Validators${of}</h2>
${warning === undefined ? "" : `<p class="warn">This node signs nothing: ${escapeHtml(warning)}</p>`}
<p${quorum.isThere === true ? "" : ' class="warn"'}>Quorum ${isThere}: ${quorum.reachable} of ${report.validators.length} reachable, ${quorum.needed} needed. Epoch ${epoch}, view ${view ?? "unknown"}, final block ${finalHeight} of ${escapeHtml(finalAt ?? "never")}.</p>
${table(
  ["validator", "organisation", "reachable", "heard", "final block", "link"],
  report.validators.map((validator) => [
    validator.name,
    validator.organisation,
    validator.isReachable === true ? "yes" : "no",
    validator.isSelf ? "" : validator.heardMs === null ? "never" : `${validator.heardMs} ms ago`,
    String(validator.finalHeight ?? ""),
    validator.link ?? "",
  ]),
)}
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "<p>none</p>";
  const header = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join("");
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`)
    .join("\n");
  return `<table><thead><tr>${header}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
