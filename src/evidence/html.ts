// HTML by hand: text is escaped where it is put in, and nothing a page holds can run or fetch anything.

/** Text for element content and quoted attributes. Characters that reorder or hide text become visible. */
export function h(text: string | number): string {
  return String(text)
    .replace(/[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu, (mark) =>
      mark === '\n' ? ' ' : `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`,
    )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Cells are HTML. Columns named in `numeric` are set to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], numeric: readonly number[] = []): string {
  const cell = (tag: 'th' | 'td', html: string, column: number): string =>
    `<${tag}${numeric.includes(column) ? ' class="n"' : ''}>${html}</${tag}>`;
  const row = (tag: 'th' | 'td', cells: readonly string[]): string =>
    `<tr>${cells.map((html, column) => cell(tag, html, column)).join('')}</tr>\n`;
  return `<table>\n<thead>${row('th', head)}</thead>\n<tbody>\n${rows.map((cells) => row('td', cells)).join('')}</tbody>\n</table>\n`;
}

/** `12345` -> `12,345`. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `1 request`, `2 requests`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${grouped(value)} ${value === 1 ? one : many}`;
}

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** `2026-11-21T12:00:00.000Z` -> `2026-11-21 12:00:00`; always UTC. */
export function timeText(ts: string): string {
  return ts.replace('T', ' ').replace(/(?:\.\d+)?Z$/, '');
}

const STYLE = `
:root { --ink: #1c2733; --soft: #5b6b7b; --line: #d9e0e7; --pane: #f5f7fa; --run: #2f6db3; --held: #c98a1b; --denied: #c0392b; --rows: #3a8f6f; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.5rem 4rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
.lead { color: var(--soft); font-size: 1.05rem; }
code, .id { font: .86em ui-monospace, SFMono-Regular, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
dl.scope { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 1.2rem 0; padding: 1rem 1.2rem; background: var(--pane); border-radius: 6px; }
dl.scope dt { color: var(--soft); } dl.scope dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.tile { border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.55rem; line-height: 1.2; font-weight: 650; } .tile span { color: var(--soft); font-size: .88rem; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1.2rem; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; border-bottom-color: #b6c2ce; } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
ul { padding-left: 1.2rem; max-width: 46rem; } li { margin: .25rem 0; }
svg { display: block; width: 100%; height: auto; margin: .4rem 0 1rem; } svg text { font: 11px system-ui, Arial, sans-serif; fill: var(--soft); }
.run { fill: var(--run); } .held { fill: var(--held); } .denied { fill: var(--denied); } .rows { fill: var(--rows); }
.key { font-size: .88rem; color: var(--soft); } .key i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .35em 0 1em; vertical-align: -.05em; }
.key i.run { background: var(--run); } .key i.held { background: var(--held); } .key i.denied { background: var(--denied); } .key i.rows { background: var(--rows); }
ol.story { list-style: none; margin: .4rem 0 1.4rem; padding: 0 0 0 1rem; border-left: 3px solid var(--line); } ol.story li { margin: .35rem 0; }
ol.story time { display: inline-block; min-width: 10.5rem; color: var(--soft); font-variant-numeric: tabular-nums; } ol.story .id { color: var(--soft); }
.not { border-left: 3px solid var(--held); padding-left: 1rem; }
.none { color: var(--soft); font-style: italic; }
@page { size: A4; margin: 18mm 15mm; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } h2, h3 { break-after: avoid; } tr, li, .tile, svg { break-inside: avoid; }
  thead { display: table-header-group; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${h(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}</body>
</html>
`;
}
