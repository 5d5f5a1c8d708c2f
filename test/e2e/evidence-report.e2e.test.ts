// The report as its readers have it: the PDF opened by poppler and qpdf, and what it says compared with what the HTML says.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { exportTo, loadVerifier } from '../../src/evidence/index.ts';
import { ensureDebianPackages } from '../support/debian.ts';
import { evidenceLog, type EvidenceLog } from '../support/evidence-log.ts';
import { fillWeek } from '../support/evidence-week.ts';

let log: EvidenceLog;
let bundle = '';

before(async () => {
  ensureDebianPackages(['poppler-utils', 'qpdf']);
  log = await evidenceLog(loadVerifier);
  await fillWeek(log, 5);
  await log.log.publish();
  bundle = join(log.root, 'bundle');
  const request = { from: '2026-11-01T00:00:00.000Z', to: '2026-11-06T00:00:00.000Z', principal: null, target: null };
  await exportTo(bundle, request, log.deps());
});
after(() => log.close());

function run(tool: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(tool, args, { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

function counts(words: readonly string[]): Map<string, number> {
  const map = new Map<string, number>();
  for (const word of words) map.set(word, (map.get(word) ?? 0) + 1);
  return map;
}

function htmlText(): string {
  return readFileSync(join(bundle, 'report.html'), 'utf8')
    .replace(/<head>[\s\S]*<\/head>|<nav[\s\S]*?<\/nav>|<title>[^<]*<\/title>/g, '')
    .replace(/<\/?code[^>]*>/g, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#39;|&quot;|&lt;|&gt;|&amp;/g, (mark) => ({ '&#39;': "'", '&quot;': '"', '&lt;': '<', '&gt;': '>' })[mark] ?? '&');
}

/** Without the foot of each page. */
function pdfText(): string {
  return run('pdftotext', '-layout', '-enc', 'UTF-8', join(bundle, 'report.pdf'), '-').replace(
    /^ *Evidence report .*Page \d+ of \d+$/gm,
    '',
  );
}

test('the PDF is sound, has a title, page numbers and an outline of its parts', () => {
  const pdf = join(bundle, 'report.pdf');
  assert.match(run('qpdf', '--check', pdf), /No syntax or stream encoding errors/);
  const info = run('pdfinfo', pdf);
  assert.match(info, /Title: +Evidence report audit\.example\.org\/evidence/);
  const pages = Number(/Pages: +(\d+)/.exec(info)?.[1]);
  assert.ok(pages >= 4);
  assert.match(run('pdftotext', '-layout', pdf, '-'), new RegExp(`Page ${pages} of ${pages}`));
  const { outlines } = JSON.parse(run('qpdf', '--json', '--json-key=outlines', pdf)) as {
    outlines: { title: string; destpageposfrom1: number }[];
  };
  const parts = [...readFileSync(join(bundle, 'report.html'), 'utf8').matchAll(/<h2[^>]*>([^<]*)</g)].map((match) => match[1]);
  assert.deepEqual(
    outlines.map(({ title }) => title),
    parts,
  );
  for (const { title, destpageposfrom1: page } of outlines) {
    assert.ok(run('pdftotext', '-f', String(page), '-l', String(page), pdf, '-').includes(title), title);
  }
});

test('the PDF tells the numbers of the HTML, each as often, and all of its words', () => {
  const [html, pdf] = [counts(wordsOf(htmlText())), counts(wordsOf(pdfText()))];
  const numbers = (words: ReadonlyMap<string, number>) => [...words].filter(([word]) => /^[\d,.]+%?$/.test(word)).toSorted();
  assert.ok(numbers(html).length > 60);
  assert.deepEqual(numbers(pdf), numbers(html));
  // A long word may be broken, and the head of a table comes again on its next page.
  const missing = [...html].filter(([word, count]) => word.length < 24 && (pdf.get(word) ?? 0) < count);
  assert.deepEqual(missing, []);
});

test('nothing stands outside of the pages or over the edge of them', () => {
  const boxes = run('pdftotext', '-bbox', join(bundle, 'report.pdf'), '-');
  const words = [...boxes.matchAll(/<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)"/g)].map((match) =>
    match.slice(1).map(Number),
  );
  assert.ok(words.length > 500);
  for (const [left = 0, top = 0, right = 0, bottom = 0] of words)
    assert.ok(left >= 45 && top >= 40 && right <= 551 && bottom <= 820, `${left} ${top} ${right} ${bottom}`);
});
