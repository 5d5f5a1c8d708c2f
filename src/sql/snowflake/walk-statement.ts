// One handler for each kind of statement that is walked.

import { nodeKind, tagged } from './nodes.ts';
import { readCreateTable, readCreateView } from './walk-create.ts';
import { readDelete, readInsert, readMerge, readUpdate } from './walk-write.ts';
import type { Rows, Walker } from './walker.ts';

/** @returns its answer; null = a status of Snowflake's own. */
export function readStatement(tree: unknown, walker: Walker): Rows | null {
  const [kind, held] = tagged(tree, 'statement');
  switch (kind) {
    case 'Query':
      return walker.query(held, null, 'answer');
    case 'Insert':
      readInsert(held, walker);
      return null;
    case 'Update':
      readUpdate(held, walker);
      return null;
    case 'Delete':
      readDelete(held, walker);
      return null;
    case 'Merge':
      readMerge(held, walker);
      return null;
    case 'CreateTable':
      readCreateTable(held, walker);
      return null;
    case 'CreateView':
      readCreateView(held, walker);
      return null;
    default:
      throw nodeKind(kind);
  }
}
