import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { SQLSTATE, SQLSTATE_OF_CODE, SQLSTATE_OF_UNKNOWN } from './errors.ts';
import { CLIENT_MESSAGES } from './messages.ts';
import { STARTUP_SETTINGS } from './startup.ts';

const text = readFileSync(new URL('../../../docs/protocols/postgres.md', import.meta.url), 'utf8');

/** Rows of the table whose header is `header`. */
function table(header: string): string[][] {
  const lines = text.split('\n');
  const start = lines.indexOf(header);
  assert.notEqual(start, -1, header);
  const found: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break;
    found.push(
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  }
  return found;
}

test('the document lists exactly the client messages the code knows', () => {
  assert.deepEqual(
    table('| type | message | treatment |'),
    Object.entries(CLIENT_MESSAGES).map(([type, { name, treatment }]) => [type, name, treatment]),
  );
});

test('the document lists exactly the SQLSTATEs the code answers with', () => {
  assert.deepEqual(table('| category | SQLSTATE |'), Object.entries(SQLSTATE));
  assert.deepEqual(table('| code | SQLSTATE |'), Object.entries(SQLSTATE_OF_CODE));
  assert.deepEqual(table('| not understood | SQLSTATE |'), Object.entries(SQLSTATE_OF_UNKNOWN));
});

test('the document lists exactly the start-up settings the code accepts', () => {
  assert.deepEqual(table('| setting |').flat(), Object.values(STARTUP_SETTINGS));
});
