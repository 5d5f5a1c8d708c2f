import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable, widthOf } from './pdf/fonts.ts';
import { extentOf, linesOf, lineWidth, SMALL } from './pdf/text.ts';
import { type Block, cell, code, heading, paragraph, type Report } from './report-model.ts';
import { renderHtml } from './html.ts';
import { renderPdf } from './report-pdf.ts';

const reportOf = (...blocks: readonly Block[]): Report => ({ name: 'Test', title: 'A test', blocks });
const pagesOf = (pdf: Buffer): number => pdf.toString('latin1').match(/\/Type \/Page /g)?.length ?? 0;

test('the same report is the same bytes, all of them readable ASCII, and says neither when nor by what it was made', () => {
  const report = reportOf(heading(2, 'Part'), paragraph('Text'));
  const pdf = renderPdf(report);
  assert.deepEqual(renderPdf(report), pdf);
  assert.match(pdf.toString('latin1'), /^%PDF-1\.7\n[\n -~]*%%EOF\n$/);
  assert.doesNotMatch(pdf.toString('latin1'), /CreationDate|ModDate|Producer|\/ID|Filter/);
});

test('what the fonts do not have, hides or reorders is shown as its code point; what ends a string does not end it', () => {
  assert.equal(printable('naïve “ok” €'), 'naïve “ok” €');
  assert.equal(printable('患者 \u202e\u0007\u{1f600}\ud800'), '\\u{60a3}\\u{8005} \\u{202e}\\u{7}\\u{1f600}\\u{d800}');
  const pdf = renderPdf(reportOf(heading(2, 'é 患'), paragraph(') Tj ET (\\ endstream é'))).toString('latin1');
  assert.ok(pdf.includes('(\\) Tj ET \\(\\\\ endstream \\351) Tj'));
  assert.ok(pdf.includes('/Title <feff00e9002060a3>'));
});

test('every line fits into its width, whatever the words are', () => {
  const texts = [
    'a '.repeat(300),
    'x'.repeat(2000),
    `${'word '.repeat(20)}${'/path'.repeat(100)} end`,
    ' '.repeat(50),
    '',
    '患'.repeat(200),
  ];
  for (const text of texts) {
    for (const width of [20, 77.7, 300]) {
      const lines = linesOf([text, code(text)], width, SMALL);
      for (const line of lines) assert.ok(lineWidth(line) <= width + 0.01, `${lineWidth(line)} > ${width}: ${text.slice(0, 20)}`);
      const told = lines.flatMap((line) => line.map((run) => run.text)).join('');
      assert.equal(told.replaceAll(' ', ''), printable(text + text).replaceAll(' ', ''));
    }
  }
  assert.equal(widthOf('Hamburg (1)', 'Helvetica', 1000), 722 + 556 + 833 + 556 + 556 + 333 + 556 + 278 + 333 + 556 + 333);
  assert.equal(extentOf('one three', SMALL).least, widthOf('three', 'Helvetica', SMALL.size));
});

test('tables go on over pages with their head, and a row that no page can hold is not cut off', () => {
  const columns = [{ label: 'Name of it' }, { label: 'Count', isNumber: true as const }];
  const rows = Array.from({ length: 200 }, (_, at) => [cell(`row${at}`), cell(String(at))]);
  const long = [cell(...Array.from({ length: 300 }, (_, at) => `line${at}`)), cell('1')];
  const pdf = renderPdf(reportOf({ kind: 'table', columns, rows: [...rows, long] }));
  const text = pdf.toString('latin1');
  assert.ok(pagesOf(pdf) > 5);
  assert.equal(text.match(/\(Name of it\) Tj/g)?.length, pagesOf(pdf));
  for (let at = 0; at < 200; at += 1) assert.ok(text.includes(`(row${at}) Tj`));
  for (let at = 0; at < 300; at += 1) assert.equal(text.split(`(line${at}) Tj`).length, 2);
  const ys = [...text.matchAll(/ (\d+(?:\.\d+)?) Td \(line/g)].map((match) => Number(match[1]));
  assert.ok(Math.min(...ys) > 50);
});

test('nothing of a text is markup in HTML, wherever it stands', () => {
  const evil = `<script>alert(1)</script>"'&\u202e`;
  const html = renderHtml({
    name: evil,
    title: evil,
    blocks: [
      heading(2, evil),
      paragraph([evil, code(evil)]),
      { kind: 'facts', rows: [[evil, evil]] },
      { kind: 'tiles', tiles: [[evil, evil]] },
      { kind: 'list', items: [evil] },
      { kind: 'table', columns: [{ label: evil }], rows: [[cell(evil, [code(evil)])]] },
      { kind: 'story', title: evil, id: evil, events: [{ time: evil, text: evil, index: 1 }] },
      {
        kind: 'plot',
        plot: {
          title: evil,
          bar: evil,
          series: [{ kind: 'run', label: evil }],
          bars: [{ label: evil, values: [1] }],
          top: 2,
          lines: [0, 1, 2],
          ticks: [{ at: 0, label: evil }],
        },
      },
    ],
  });
  assert.doesNotMatch(html, /<script|"'|\u202e/);
  assert.ok(html.split('&lt;script&gt;').length > 18);
});
