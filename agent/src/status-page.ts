/** The agent's one page: its status as nested tables. No script, nothing loaded from elsewhere. */

import type { AgentStatus } from "./agent-status.ts";

export function renderStatusPage(status: AgentStatus): string {
  const { device, channel, warnings } = status;
  const list = warnings.map((sentence) => `<li>${escaped(sentence)}</li>`).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>${escaped(device)}</title>
<style>body{font:14px/1.4 system-ui,sans-serif;margin:1rem;color:#222;background:#fff}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:2px 8px;text-align:left;vertical-align:top}
ul{background:#fff3cd;padding:8px 24px}</style></head>
<body><h1>${escaped(device)} <small>in channel ${escaped(channel)}</small></h1>
${list === "" ? "" : `<ul>${list}</ul>`}
${render(status)}
</body></html>
`;
}

function render(value: unknown): string {
  if (Array.isArray(value)) return value.map(render).join("<br>");
  if (typeof value !== "object" || value === null) return escaped(String(value ?? ""));
  const rows = Object.entries(value).map(
    ([key, inner]) => `<tr><th>${escaped(key)}</th><td>${render(inner)}</td></tr>`,
  );
  return `<table>${rows.join("")}</table>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
