// Writes docs/errors.md from the closed table of codes. `node scripts/errors-doc.ts`; a test compares the two.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CODES } from '../src/core/error.ts';

export function errorsDocument(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, facts]) => `| \`${code}\` | ${facts.category} | ${facts.retriable ? 'yes' : 'no'} | ${facts.text} | ${facts.remedy} |`,
  );
  return [
    '# Errors',
    '',
    'Every fault has one code. A client sees the fixed text, the remedy and its session id in the native error of its protocol; the',
    "operator's log has the code and a message. Neither holds data of a statement or a result. `retriable` says that the same request may",
    'succeed later without a change. Written by `node scripts/errors-doc.ts` from `src/core/error.ts`.',
    '',
    '| code | category | retriable | what a client reads | remedy |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '..', 'docs', 'errors.md'), errorsDocument());
