// The seam between understanding and the adapter: the text of a request in, facts and what is forwarded out. Facts first: while
// `facts.unknowns` is not empty, `forward` is null and nothing may be sent.

import type { Unknown } from '../../core/facts.ts';
import { editSource } from './analysis-text.ts';
import { planStatement } from './commands.ts';
import { factsOf } from './facts.ts';
import { lex, type Token } from './lexer.ts';
import { kindRefused, part, type Part, refused } from './part.ts';
import { MAX_STATEMENT, type SnowflakeParsers } from './parsers.ts';
import { type Planning, SYNTAX } from './planning.ts';
import { splitStages, splitStatements, type StatementText, wordAt } from './statement-text.ts';
import type { Bind, PlanContext, PlanInput, PlannedOutput, SnowflakePlan, SnowflakeRelation, SnowflakeSession } from './types.ts';

/** Of all statements of a request, in UTF-16 units. */
const MAX_REQUEST = 4 * MAX_STATEMENT;

/** Plans a request. Never throws for what its text says. */
export function planSnowflake(input: PlanInput, context: PlanContext, parsers: SnowflakeParsers): SnowflakePlan {
  if (input.text.length > MAX_REQUEST) return refusedText(input, context, SYNTAX['too-large']);
  const lexed = lex(input.text);
  if ('fault' in lexed) {
    const remedy = 'Write plain SQL: its constants, names and comments must end where every reader sees them end.';
    return refusedText(input, context, { code: 'syntax', what: lexed.fault, remedy, at: lexed.at + 1 });
  }
  const statements = splitStatements(input.text, lexed.tokens);
  const count = countFault(statements.length, input.statements);
  if (count !== null) return refusedText(input, context, count);
  const parts = planAll(statements, input, context, parsers);
  const facts = factsOf(input.text, parts, context);
  const forward = facts.unknowns.length > 0 ? null : forwarded(input, lexed.tokens, parts);
  if (forward === null && facts.unknowns.length === 0) {
    const unknown: Unknown = {
      code: 'round-trip',
      what: 'the text with its tokens opened',
      remedy: 'Bind the tokens instead of writing them into the text.',
    };
    return { facts: { ...facts, unknowns: [unknown] }, forward: null, statements: [] };
  }
  return {
    facts,
    forward,
    statements: forward === null ? [] : parts.map(({ verb, outputs, mayTell, changes }) => ({ verb, outputs, mayTell, changes })),
  };
}

function countFault(count: number, asked: number): Unknown | null {
  if (count === 0) return { code: 'statement-kind', what: 'a text without a statement', remedy: 'Send a statement.' };
  if (asked === 0 || asked === count) return null;
  return {
    code: 'statement-kind',
    what: 'another number of statements than asked for',
    remedy: 'Set MULTI_STATEMENT_COUNT to their number, or send them one by one.',
  };
}

/** What later statements of a request see of the earlier ones. */
interface Progress {
  session: SnowflakeSession;
  bindsBefore: number;
}

function planAll(statements: readonly StatementText[], input: PlanInput, context: PlanContext, parsers: SnowflakeParsers): Part[] {
  const progress: Progress = { session: context.session, bindsBefore: 0 };
  return statements.map((statement, index) => {
    const own = { ...context, session: index === 0 ? progress.session : { ...progress.session, lastQueryId: null } };
    const planned = planChain(statement, progress, input.binds, own, parsers);
    progress.session = sessionAfter(progress.session, statement, planned);
    return statements.length === 1 ? planned : withoutOpenedBinds(planned);
  });
}

/** A bind can be read by every statement of the request and every stage of a chain: none may have the value of a token. */
function withoutOpenedBinds(planned: Part): Part {
  if (planned.bindEdits.size === 0) return planned;
  const unknown: Unknown = {
    code: 'token',
    what: 'a token bound in one of several statements',
    remedy: 'Send the statement that has the token by itself, or write the token as a string constant.',
  };
  return { ...planned, unknowns: [...planned.unknowns, unknown] };
}

/** A statement, or the stages of `a ->> b`: the answer is the last one's. */
function planChain(
  statement: StatementText,
  progress: Progress,
  binds: readonly Bind[],
  context: PlanContext,
  parsers: SnowflakeParsers,
): Part {
  const stages = splitStages(statement);
  const earlier: { readonly outputs: readonly PlannedOutput[] | null }[] = [];
  const parts: Part[] = [];
  for (const stage of stages) {
    if (stage.tokens.length === 0) return kindRefused('SELECT', 'an empty stage of ->>', 'Write statement ->> statement.');
    if (stages.length > 1 && !CHAINED.has(wordAt(stage, 0))) {
      return kindRefused(
        wordAt(stage, 0) || 'UNKNOWN',
        'a statement in a chain of ->>',
        'Chain queries, changes of rows, SHOW and DESCRIBE; send the others one by one.',
      );
    }
    const planned = planSafely(stage, { context, parsers, binds, bindsBefore: progress.bindsBefore, earlier });
    progress.bindsBefore += stage.tokens.filter(({ kind, start }) => kind === 'bind' && stage.source[start] === '?').length;
    earlier.unshift({ outputs: planned.outputs });
    parts.push(planned);
    if (planned.unknowns.length > 0) break;
  }
  return chained(parts);
}

/** A fault of ours is no reason to pass anything, nor to end the session. */
function planSafely(statement: StatementText, planning: Planning): Part {
  try {
    return planStatement(statement, planning);
  } catch {
    return refused(
      'UNKNOWN',
      { code: 'node-kind', what: 'a construct', remedy: 'Write the statement in a simpler way.' },
      statement.tokens[0],
    );
  }
}

/** What leaves names and the session as they are. */
const CHAINED: ReadonlySet<string> = new Set([
  'SELECT',
  'WITH',
  'VALUES',
  '(',
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'SHOW',
  'DESCRIBE',
  'DESC',
]);

function chained(parts: readonly Part[]): Part {
  const [first] = parts;
  const last = parts.at(-1);
  if (first === undefined || last === undefined || parts.length === 1) return last ?? part('UNKNOWN');
  const all = <
    Key extends
      | 'effects'
      | 'relations'
      | 'columns'
      | 'shown'
      | 'tested'
      | 'open'
      | 'classes'
      | 'predicateClasses'
      | 'unknowns'
      | 'edits'
      | 'changes',
  >(
    key: Key,
  ): Part[Key][number][] => parts.flatMap((each) => each[key] as readonly Part[Key][number][]);
  return withoutOpenedBinds({
    ...last,
    verb: parts.map(({ verb }) => verb).join(' ->> '),
    effects: all('effects'),
    relations: all('relations'),
    columns: all('columns'),
    shown: all('shown'),
    tested: all('tested'),
    open: all('open'),
    classes: all('classes'),
    predicateClasses: all('predicateClasses'),
    unknowns: all('unknowns'),
    edits: all('edits'),
    changes: all('changes'),
    bindEdits: new Map(parts.flatMap(({ bindEdits }) => [...bindEdits])),
    mayTell: parts.some(({ mayTell }) => mayTell),
    unbounded: parts.some(({ unbounded }) => unbounded),
  });
}

/** What the session is for the next statement of the same request. After USE names must be complete: what is in use is Snowflake's to say. */
function sessionAfter(session: SnowflakeSession, statement: StatementText, { changes, relations }: Part): SnowflakeSession {
  const variables = new Map(session.variables);
  const own = new Map(session.own);
  for (const change of changes) {
    if (change.kind === 'variable') {
      if (change.value === null) variables.delete(change.name);
      else variables.set(change.name, change.value);
    } else if (change.kind === 'create') {
      own.set(keyOf(change.relation), change.relation);
    } else if (change.kind === 'drop') {
      own.delete(change.name);
    }
  }
  // The catalogue was read before: what it says of a relation that is dropped, renamed or brought back is not so any more.
  const made = new Set(changes.flatMap((each) => (each.kind === 'create' ? [keyOf(each.relation)] : [])));
  const isChanged = changes.some(({ kind }) => kind === 'catalogue');
  for (const { name, access } of isChanged ? relations : []) {
    const [database = '', schema = '', ...rest] = name.split('.');
    const unknown = { database, schema, name: rest.join('.'), kind: 'table' as const, columns: null, definition: null };
    if (access === 'write' && !made.has(name)) own.set(name, unknown);
  }
  const moves = wordAt(statement, 0) === 'USE' && wordAt(statement, 1) !== 'WAREHOUSE';
  const creates = wordAt(statement, 0) === 'CREATE' && /\b(?:SCHEMA|DATABASE)\b/.test(changesPlace(statement));
  return { ...session, variables, own, ...(moves || creates ? { database: null, schema: null } : {}) };
}

const keyOf = ({ database, schema, name }: SnowflakeRelation): string => `${database}.${schema}.${name}`;

/** CREATE SCHEMA and CREATE DATABASE also begin to use what they made. */
function changesPlace(statement: StatementText): string {
  return [1, 2, 3, 4].map((index) => wordAt(statement, index)).join(' ');
}

function forwarded(input: PlanInput, tokens: readonly Token[], parts: readonly Part[]): { text: string; binds: readonly Bind[] } | null {
  const text = editSource(
    input.text,
    tokens,
    parts.flatMap(({ edits }) => edits),
  );
  if (text === null) return null;
  const edited = new Map(parts.flatMap(({ bindEdits }) => [...bindEdits]));
  return { text, binds: input.binds.map((bind, index) => edited.get(index) ?? bind) };
}

function refusedText({ text }: PlanInput, context: PlanContext, unknown: Unknown): SnowflakePlan {
  return { facts: { ...factsOf(text, [], context), unknowns: [unknown] }, forward: null, statements: [] };
}
