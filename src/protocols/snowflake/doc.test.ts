import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { NATIVE, NATIVE_OF_CODE, NATIVE_OF_UNKNOWN, type NativeCode } from './errors.ts';

const text = readFileSync(new URL('../../../docs/protocols/snowflake.md', import.meta.url), 'utf8');

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

const rows = (codes: Readonly<Record<string, NativeCode>>): string[][] =>
  Object.entries(codes).map(([name, { code, sqlState }]) => [name, code, sqlState]);

test('the document lists exactly the codes that the gateway answers with', () => {
  assert.deepEqual(table('| category | code | SQLSTATE |'), rows(NATIVE));
  assert.deepEqual(table('| fault | code | SQLSTATE |'), rows(NATIVE_OF_CODE));
  assert.deepEqual(table('| not understood | code | SQLSTATE |'), rows(NATIVE_OF_UNKNOWN));
});
