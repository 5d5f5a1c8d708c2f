// The second opinion. What sqlparser's tree says of relations and outputs must be what polyglot's says; what our own lexer read must be
// in the tree that is walked; and what the walker found must be what the trees name. Two programs that were written by different people
// seldom misread a text in the same way.

import type { Unknown } from '../../core/facts.ts';
import { type Token, lex, nameOf, stringValue } from './lexer.ts';
import { VOCABULARY } from './vocabulary.ts';
import type { Walked } from './walked.ts';

const REMEDY = 'Write the statement in a simpler way: the two parsers that read it do not understand it alike.';

/** @returns null when all agree. */
export function disagreement(text: string, tree: unknown, second: unknown, walked: Walked, extra: ReadonlySet<string>): Unknown | null {
  const found =
    uncovered(text, tree) ?? relationsDiffer(tree, second) ?? outputsDiffer(tree, second) ?? walkedDiffers(tree, second, walked, extra);
  return found === null ? null : { code: 'disagreement', what: found, remedy: REMEDY };
}

/** Names and constants of the text that the tree does not have: something was skipped. */
function uncovered(text: string, tree: unknown): string | null {
  const lexed = lex(text);
  if ('fault' in lexed) return 'words';
  const words = new Set<string>();
  const leaves = new Set<string>();
  visit(tree, (value, key) => {
    if (key !== null) words.add(key.toUpperCase());
    if (typeof value !== 'string') return;
    leaves.add(value);
    for (const word of value.toUpperCase().split(/[^A-Z0-9_$]+/)) words.add(word);
  });
  return lexed.tokens.every((token) => isCovered(text, token, words, leaves)) ? null : 'words';
}

function isCovered(text: string, token: Token, words: ReadonlySet<string>, leaves: ReadonlySet<string>): boolean {
  switch (token.kind) {
    case 'word': {
      const word = nameOf(text, token);
      return VOCABULARY.has(word) || words.has(word);
    }
    case 'quoted':
      return leaves.has(nameOf(text, token));
    case 'string': {
      const value = stringValue(text, token);
      return value !== null && leaves.has(value);
    }
    case 'variable':
    case 'bind':
      return leaves.has(text.slice(token.start, token.end));
    default:
      return true;
  }
}

/** Names of relations as they are written, folded. */
function relationsDiffer(tree: unknown, second: unknown): string | null {
  const first = relationsOf(tree);
  const other = secondRelations(second);
  return first.size === other.size && [...first].every((name) => other.has(name)) ? null : 'relations';
}

function relationsOf(tree: unknown): Set<string> {
  const names = new Set<string>();
  const add = (parts: unknown): void => {
    const name = nameOfParts(parts);
    if (name !== null) names.add(name);
  };
  visit(tree, (value, key) => {
    if (key === 'TableName' || key === 'clone') add(value);
    if (key === 'like' && isRecord(value)) for (const each of Object.values(value)) if (isRecord(each)) add(each['name']);
    if (!isRecord(value)) return;
    if (key === 'Table' && value['args'] === null) add(value['name']);
    if (key === 'CreateTable' || key === 'CreateView') add(value['name']);
    if (key === 'TableFunction' && isRecord(value['expr']) && isRecord(value['expr']['Identifier'])) add([value['expr']]);
  });
  return names;
}

function nameOfParts(parts: unknown): string | null {
  if (!Array.isArray(parts) || parts.length === 0) return null;
  const names = parts.map((part: unknown) => (isRecord(part) ? identifier(part['Identifier']) : null));
  return names.every((name) => name !== null) ? JSON.stringify(names) : null;
}

function identifier(value: unknown): string | null {
  if (!isRecord(value) || typeof value['value'] !== 'string') return null;
  return value['quote_style'] === null ? value['value'].toUpperCase() : value['value'];
}

/** In polyglot's tree every table is a record with name, schema and catalog. */
function secondRelations(tree: unknown): Set<string> {
  const names = new Set<string>();
  visit(tree, (value) => {
    if (!isRecord(value) || !('schema' in value) || !('catalog' in value)) return;
    const parts = [value['catalog'], value['schema'], value['name']]
      .filter((part) => part !== null && part !== undefined)
      .map(secondIdentifier);
    if (parts.length > 0 && parts.every((part) => part !== null)) names.add(JSON.stringify(parts));
  });
  return names;
}

function secondIdentifier(value: unknown): string | null {
  if (!isRecord(value) || typeof value['name'] !== 'string') return null;
  return value['quoted'] === true ? value['name'] : value['name'].toUpperCase();
}

/** Labels of the outermost select list: a name, `*`, or null for an expression without alias. */
function outputsDiffer(tree: unknown, second: unknown): string | null {
  const first = outputsOf(tree);
  const other = secondOutputs(second);
  if (first === null && other === null) return null;
  return JSON.stringify(first) === JSON.stringify(other) ? null : 'outputs';
}

function outputsOf(tree: unknown): (string | null)[] | null {
  let body: unknown = isRecord(tree) && isRecord(tree['Query']) ? tree['Query']['body'] : null;
  while (isRecord(body)) {
    if (isRecord(body['SetOperation'])) body = body['SetOperation']['left'];
    else if (isRecord(body['Query'])) body = body['Query']['body'];
    else break;
  }
  if (!isRecord(body) || !isRecord(body['Select']) || !Array.isArray(body['Select']['projection'])) return null;
  return body['Select']['projection'].map((item: unknown) => outputOf(item));
}

function outputOf(item: unknown): string | null {
  if (!isRecord(item)) return null;
  if ('Wildcard' in item || 'QualifiedWildcard' in item) return '*';
  const aliased = item['ExprWithAlias'];
  if (isRecord(aliased)) return identifier(aliased['alias']);
  const expression = item['UnnamedExpr'];
  if (!isRecord(expression)) return null;
  const compound = expression['CompoundIdentifier'];
  return identifier(expression['Identifier']) ?? (Array.isArray(compound) ? identifier(compound.at(-1)) : null);
}

function secondOutputs(tree: unknown): (string | null)[] | null {
  let node = tree;
  for (;;) {
    if (!isRecord(node)) return null;
    const set = node['union'] ?? node['intersect'] ?? node['except'];
    const inner = node['subquery'] ?? node['paren'];
    if (isRecord(set)) node = set['left'];
    else if (isRecord(inner)) node = inner['this'];
    else break;
  }
  const select = node['select'];
  if (!isRecord(select) || !Array.isArray(select['expressions'])) return null;
  return select['expressions'].map((item: unknown) => secondOutput(item));
}

function secondOutput(item: unknown): string | null {
  if (!isRecord(item)) return null;
  if ('star' in item) return '*';
  const named = item['alias'] ?? item['column'];
  if (isRecord(named)) return 'alias' in item ? secondIdentifier(named['alias']) : secondIdentifier(named['name']);
  return secondIdentifier(item['identifier']);
}

/** Each relation of the second tree is one the walker has found, made by WITH, or stands for a result. */
function walkedDiffers(tree: unknown, second: unknown, walked: Walked, extra: ReadonlySet<string>): string | null {
  if (walked.unknowns.length > 0) return null;
  const made = madeNames(second);
  for (const name of secondRelations(second)) {
    const parts: unknown = JSON.parse(name);
    if (!Array.isArray(parts)) return 'relations';
    const [only] = parts as string[];
    if (parts.length === 1 && only !== undefined && (made.has(only) || extra.has(only))) continue;
    const dotted = parts.join('.');
    if (!walked.relations.some((use) => use.name === dotted || use.name.endsWith(`.${dotted}`))) return 'relations';
  }
  const outputs = outputsOf(tree);
  const isCounted = outputs !== null && walked.outputs !== null && !outputs.includes('*');
  return isCounted && outputs.length !== walked.outputs.length ? 'outputs' : null;
}

function madeNames(tree: unknown): Set<string> {
  const names = new Set<string>();
  visit(tree, (value, key) => {
    if (key !== 'ctes' || !Array.isArray(value)) return;
    for (const each of value) {
      const name = isRecord(each) ? secondIdentifier(each['alias']) : null;
      if (name !== null) names.add(name);
    }
  });
  return names;
}

/** Every value of a tree with the key it stands under; null in lists. Not recursive: trees are as deep as their text is long. */
function visit(tree: unknown, see: (value: unknown, key: string | null) => void): void {
  const waiting: [unknown, string | null][] = [[tree, null]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [value, key] = next;
    see(value, key);
    if (Array.isArray(value)) for (const each of value) waiting.push([each, null]);
    else if (isRecord(value)) for (const [name, each] of Object.entries(value)) waiting.push([each, name]);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
