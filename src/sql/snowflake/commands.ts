// Commands by the words they begin with. What is not in the table is not passed; what is, is planned by the function beside it.

import { planAlterSession, planSet, planTransaction, planUnset, planUse } from './commands-session.ts';
import { explained, planDescribe, planExplain, planShow } from './commands-metadata.ts';
import { planAlter, planComment, planCreate, planDrop, planGrant, planTruncate, planUndrop } from './commands-ddl.ts';
import { stringValue } from './lexer.ts';
import { kindRefused, type Part, refused } from './part.ts';
import { type Planning, planTree } from './planning.ts';
import { type StatementText, wordAt } from './statement-text.ts';

type Plan = (statement: StatementText, planning: Planning) => Part;

const byTree =
  (verb: string): Plan =>
  (statement, planning) =>
    planTree(verb, statement, planning);

const COMMANDS: ReadonlyMap<string, Plan> = new Map<string, Plan>([
  ['SELECT', byTree('SELECT')],
  ['WITH', byTree('SELECT')],
  ['VALUES', byTree('VALUES')],
  ['(', byTree('SELECT')],
  ['INSERT', byTree('INSERT')],
  ['UPDATE', byTree('UPDATE')],
  ['DELETE', byTree('DELETE')],
  ['MERGE', byTree('MERGE')],
  ['CREATE', planCreate],
  ['ALTER', (statement, planning) => (wordAt(statement, 1) === 'SESSION' ? planAlterSession(statement) : planAlter(statement, planning))],
  ['DROP', planDrop],
  ['UNDROP', planUndrop],
  ['TRUNCATE', planTruncate],
  ['COMMENT', planComment],
  ['GRANT', planGrant],
  ['REVOKE', planGrant],
  ['USE', planUse],
  ['SET', planSet],
  ['UNSET', planUnset],
  ['BEGIN', planTransaction],
  ['START', planTransaction],
  ['COMMIT', planTransaction],
  ['ROLLBACK', planTransaction],
  ['SHOW', planShow],
  ['DESCRIBE', planDescribe],
  ['DESC', planDescribe],
  ['EXPLAIN', planExplained],
]);

const STAGES = 'Files and stages are not passed: read tables by SELECT, and write them by INSERT.';
const BLOCKS = 'Send the statements of the block one by one.';

/** What is said of commands that people try. */
const REMEDIES: Readonly<Record<string, string>> = {
  PUT: STAGES,
  GET: STAGES,
  LIST: STAGES,
  LS: STAGES,
  REMOVE: STAGES,
  RM: STAGES,
  COPY: STAGES,
  CALL: 'What a procedure does cannot be seen. Send its statements one by one.',
  EXECUTE: BLOCKS,
  DECLARE: BLOCKS,
  LET: BLOCKS,
  IF: BLOCKS,
  FOR: BLOCKS,
  RETURN: BLOCKS,
  END: 'Write COMMIT.',
};

export function planStatement(statement: StatementText, planning: Planning): Part {
  const word = wordAt(statement, 0);
  const plan = COMMANDS.get(word);
  const [first] = statement.tokens;
  if (plan === undefined) {
    const known = Object.hasOwn(REMEDIES, word);
    return kindRefused(
      known ? word : 'UNKNOWN',
      known ? word : 'this kind of statement',
      known ? (REMEDIES[word] ?? BLOCKS) : 'Use another statement.',
      first,
    );
  }
  const stage = statement.tokens.find(({ kind }) => kind === 'stage');
  if (stage !== undefined) return kindRefused(word, 'a stage', STAGES, stage);
  const planned = plan(statement, planning);
  return TREES.has(word) || planned.unknowns.length > 0 ? planned : withoutTokens(planned, statement, planning);
}

/** Tokens are opened in queries and changes of rows; elsewhere one would be kept as it is. */
function withoutTokens(planned: Part, statement: StatementText, { context }: Planning): Part {
  const opened = new Set(planned.edits.map(({ start }) => start));
  const stray = statement.tokens.find(
    (token) => token.kind === 'string' && !opened.has(token.start) && context.tokens.meansToken(stringValue(statement.source, token) ?? ''),
  );
  if (stray === undefined) return planned;
  return refused(
    planned.verb,
    { code: 'token', what: 'a token where none is opened', remedy: 'Write the value itself, or leave it out.' },
    stray,
  );
}

function planExplained(statement: StatementText, planning: Planning): Part {
  const from = explained(statement);
  const inner = from === null ? null : { source: statement.source, tokens: statement.tokens.slice(from) };
  if (inner === null || inner.tokens.length === 0 || !TREES.has(wordAt(inner, 0))) {
    return kindRefused('EXPLAIN', 'this form of EXPLAIN', 'Write EXPLAIN [USING TEXT | JSON | TABULAR] and a query or a change of rows.');
  }
  return planExplain(planStatement(inner, planning), planning);
}

const TREES: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES', '(', 'INSERT', 'UPDATE', 'DELETE', 'MERGE']);
