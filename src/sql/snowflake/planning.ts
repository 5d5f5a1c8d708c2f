// What planning one statement has to hand, and the way of statements that the walker understands: text, tree, walk, second opinion.

import type { Unknown } from '../../core/facts.ts';
import { disagreement } from './agreement.ts';
import { type AnalysisText, analysisText, type Replacement } from './analysis-text.ts';
import type { ParseFault, SnowflakeParsers } from './parsers.ts';
import { MAX_DEPTH, MAX_STATEMENT, MAX_TOKENS } from './parsers.ts';
import { type Part, refused } from './part.ts';
import { type StatementText, wordAt } from './statement-text.ts';
import type { Bind, PlanContext } from './types.ts';
import { type Earlier, virtualRelations } from './virtual-relations.ts';
import { walk } from './walk.ts';

export interface Planning {
  readonly context: PlanContext;
  readonly parsers: SnowflakeParsers;
  readonly binds: readonly Bind[];
  /** How many `?` stand before the statement. */
  readonly bindsBefore: number;
  /** Results of the stages of `->>` before it, the last one first. */
  readonly earlier: Earlier;
}

export const SYNTAX: Readonly<Record<ParseFault, Unknown>> = {
  syntax: { code: 'syntax', what: 'syntax', remedy: 'Correct the statement, or write it in a simpler way: it is not read with certainty.' },
  'too-large': {
    code: 'too-large',
    what: `a statement over ${MAX_STATEMENT / 1024} KiB or ${MAX_TOKENS} words`,
    remedy: 'Send it in several statements, or its values as binds.',
  },
  'too-deep': {
    code: 'too-deep',
    what: `a statement with over ${MAX_DEPTH} brackets and operators inside of each other`,
    remedy: 'Use fewer brackets and operators in a row: IN with a list, for example.',
  },
};

/** Plans a statement by its tree.
 *  @param rewritten parts of it that are written otherwise for the analysis: `SET v =` as `SELECT`. */
export function planTree(verb: string, statement: StatementText, planning: Planning, rewritten: readonly Replacement[] = []): Part {
  const { context, parsers, earlier } = planning;
  const virtual = virtualRelations(statement, context.session, earlier);
  const [unknown] = virtual.unknowns;
  if (unknown !== undefined) return refused(verb, unknown);
  const replacements = [...rewritten, ...virtual.replacements].sort(byStart);
  const analysis = analysisText(statement, replacements);
  const parsed = parsers.parse(analysis.text);
  if ('fault' in parsed) return refused(verb, SYNTAX[parsed.fault], statement.tokens[0]);
  const numbered = statement.tokens.some(({ kind, start }) => kind === 'bind' && statement.source[start] === ':');
  const from = numbered ? 0 : planning.bindsBefore;
  const env = { context, text: analysis.text, binds: planning.binds.slice(from), extra: virtual.extra };
  const walked = walk(parsed.tree, env);
  const second = parsers.second(secondText(statement, replacements));
  const differs =
    'fault' in second
      ? { ...SYNTAX[second.fault], code: 'disagreement' as const }
      : disagreement(analysis.text, parsed.tree, second.tree, walked, new Set(virtual.extra.keys()));
  const edits = sourceEdits(walked.edits, analysis);
  const unknowns = [...walked.unknowns, ...(differs === null ? [] : [differs]), ...(edits === null ? [STRAY] : [])];
  return {
    ...walked,
    // What SHOW says has columns that only Snowflake knows: they pass, as they would have passed without the query around them.
    outputs: virtual.readsMetadata && walked.relations.length === 0 ? null : walked.outputs,
    edits: [...virtual.edits, ...(edits ?? [])],
    bindEdits: new Map([...walked.bindEdits].map(([index, bind]) => [index + from, bind])),
    unknowns: [...unknowns, ...metadataJoined(virtual.readsMetadata, walked.relations.length > 0 || virtual.extra.size > 1)],
  };
}

/** Polyglot does not read `* ILIKE 'pattern'`: for it the pattern is left out, which changes no relation and no label of ours. */
function secondText(statement: StatementText, replacements: readonly Replacement[]): string {
  const { tokens } = statement;
  const patterns = tokens.flatMap((token, index): Replacement[] => {
    const next = tokens[index + 1];
    const isPattern = wordAt(statement, index - 1) === '*' && wordAt(statement, index) === 'ILIKE' && next?.kind === 'string';
    return isPattern ? [{ start: token.start, end: next.end, text: '' }] : [];
  });
  return analysisText(statement, patterns.length === 0 ? replacements : [...replacements, ...patterns].sort(byStart)).text;
}

const byStart = (left: Replacement, right: Replacement): number => left.start - right.start;

const STRAY: Unknown = {
  code: 'token',
  what: 'a token inside of other text',
  remedy: 'Write the token as a string constant of its own, or bind it.',
};

/** Columns of a result of SHOW are not known: what would be taken from it and what from a table is not certain. */
function metadataJoined(readsMetadata: boolean, readsOthers: boolean): Unknown[] {
  return readsMetadata && readsOthers
    ? [{ code: 'relation', what: 'a result of SHOW beside other relations', remedy: 'Read the result of SHOW in a statement of its own.' }]
    : [];
}

function sourceEdits(edits: readonly Replacement[], analysis: AnalysisText): Replacement[] | null {
  const found: Replacement[] = [];
  for (const { start, end, text } of edits) {
    const from = analysis.source(start);
    const to = analysis.source(end - 1);
    if (from === null || to === null || to - from !== end - 1 - start) return null;
    found.push({ start: from, end: to + 1, text });
  }
  return found;
}
