// Pages as HTML: text is escaped where it is put in, and nothing a page holds can run or fetch anything.

import { type Bar, type Plot, stackOf } from './plots.ts';
import { type Block, type Cell, type Column, type Report, spansOf, type Text } from './report-model.ts';
import { STYLE } from './style.ts';
import { grouped, visible } from './words.ts';

/** Size of a plot in its own units, and the margins of its axes. */
const PLOT = { width: 900, height: 220, left: 60, top: 12, bottom: 26 } as const;

/** Text for element content and quoted attributes. */
export function h(text: string | number): string {
  return visible(String(text).replaceAll('\n', ' '))
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

export function renderHtml({ name, title, blocks }: Report): string {
  const parts = blocks.flatMap((block, at) =>
    block.kind === 'heading' && block.level === 2 ? [{ id: `part-${at}`, text: block.text }] : [],
  );
  const links = parts.map(({ id, text }) => `<a href="#${id}">${h(text)}</a>`).join('\n');
  const lead = blocks.findIndex(({ kind }) => kind === 'heading');
  const html = blocks.map((block, at) => htmlOf(block, `part-${at}`));
  if (parts.length > 3) html.splice(lead, 0, `<nav aria-label="Contents">\n${links}\n</nav>\n`);
  return page(name, `<h1>${h(title)}</h1>\n${html.join('')}`);
}

/** @param body HTML */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${h(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}</body>
</html>
`;
}

function htmlOf(block: Block, id: string): string {
  switch (block.kind) {
    case 'heading':
      return block.level === 2 ? `<h2 id="${id}">${h(block.text)}</h2>\n` : `<h3>${h(block.text)}</h3>\n`;
    case 'paragraph':
      return `<p${block.tone === undefined ? '' : ` class="${block.tone}"`}>${textHtml(block.text)}</p>\n`;
    case 'facts':
      return `<dl class="scope">${block.rows.map(([name, value]) => `<dt>${h(name)}</dt><dd>${textHtml(value)}</dd>`).join('\n')}</dl>\n`;
    case 'tiles':
      return `<div class="tiles">${block.tiles.map(([value, label]) => `<div class="tile"><b>${h(value)}</b><span>${h(label)}</span></div>`).join('\n')}</div>\n`;
    case 'list':
      return `<ul${block.tone === undefined ? '' : ` class="${block.tone}"`}>\n${block.items.map((item) => `<li>${textHtml(item)}</li>\n`).join('')}</ul>\n`;
    case 'table':
      return tableHtml(block.columns, block.rows);
    case 'plot':
      return plotHtml(block.plot);
    case 'story':
      return storyHtml(block);
  }
}

export function textHtml(text: Text): string {
  return spansOf(text)
    .map(({ text: plain, style }) => {
      if (style === 'plain') return h(plain);
      if (style === 'code') return `<code>${h(plain)}</code>`;
      return style === 'strong' ? `<b>${h(plain)}</b>` : `<span class="soft">${h(plain)}</span>`;
    })
    .join('');
}

/** Each cell names its column, for screens on which a row is shown as a list. */
export function tableHtml(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const kind = (column: Column | undefined): string => (column?.isNumber === true ? ' class="n"' : '');
  const head = columns.map((column) => `<th${kind(column)}>${h(column.label)}</th>`).join('');
  const body = rows.map(
    (cells) =>
      `<tr>${cells.map(({ lines }, at) => `<td${kind(columns[at])} data-of="${h(columns[at]?.label ?? '')}"><div>${lines.map(textHtml).join('<br>')}</div></td>`).join('')}</tr>\n`,
  );
  return `<table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body.join('')}</tbody>\n</table>\n`;
}

function storyHtml({ title, id, events }: Extract<Block, { kind: 'story' }>): string {
  const items = events.map(
    ({ time, text, index }) =>
      `<li><time>${h(time)}</time><span>${textHtml(text)}${index === null ? '' : ` <span class="id">entry ${grouped(index)}</span>`}</span></li>\n`,
  );
  return `<h3>${h(title)} <code class="soft">${h(id)}</code></h3>\n<ol class="story">\n${items.join('')}</ol>\n`;
}

function plotHtml(plot: Plot): string {
  const { width, height, left, top, bottom } = PLOT;
  const room = { x: left, y: top, width: width - left, height: height - top - bottom };
  const yOf = (fraction: number): string => round(room.y + room.height * (1 - fraction));
  const grid = plot.lines.map(
    (value) =>
      `<line x1="${left}" x2="${width}" y1="${yOf(value / plot.top)}" y2="${yOf(value / plot.top)}"/>` +
      `<text x="${left - 8}" y="${round(Number(yOf(value / plot.top)) + 4)}" text-anchor="end">${grouped(value)}</text>`,
  );
  const rect = ({ kind, x, y, width: w, height: t }: Bar): string =>
    `<rect class="${kind}" x="${round(room.x + x * room.width)}" y="${yOf(y + t)}" width="${round(w * room.width)}" height="${round(t * room.height)}"/>`;
  const bars = plot.bars.map(({ label }, at) => {
    const stack = stackOf(plot, at);
    return stack.length === 0 ? '' : `<g><title>${h(label)}</title>${stack.map(rect).join('')}</g>`;
  });
  const ticks = plot.ticks.map(({ at, label }, nth) => {
    const x = round(room.x + at * room.width);
    return `<line class="tick" x1="${x}" x2="${x}" y1="${yOf(0)}" y2="${height - bottom + 5}"/><text x="${x}" y="${height - 6}"${nth % 2 === 1 ? ' class="odd"' : ''}>${h(label)}</text>`;
  });
  const key = plot.series.map(({ kind, label }) => `<i class="${kind}"></i>${h(label)}`).join('');
  return (
    `<h3>${h(plot.title)}</h3>\n<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${h(plot.title)}">` +
    `${grid.join('')}${bars.join('')}${ticks.join('')}</svg>\n<p class="key">One bar is ${h(plot.bar)}.${key}</p>\n`
  );
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}
