// YAML text to a checked value, with every fault placed at file:line:column. Used for policy files and `sallyport.yaml`.
// REFUSES: unknown keys, duplicate keys, anchors and aliases, tags, non-string keys, several documents in one file,
// texts over 1 MiB. Values are never echoed in faults: a misplaced secret must not end up in a log.

import type { z } from 'zod';
import { isAlias, isCollection, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, Node } from 'yaml';
import { describeIssues } from './issues.ts';

const maxSourceChars = 1 << 20;
const maxFaults = 50;

export type Path = readonly (string | number)[];

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

export interface Fault extends Place {
  /** `rules[0].when`; empty for the document as a whole. */
  readonly path: string;
  readonly what: string;
  /** A known word close to the one found. */
  readonly suggestion: string | null;
}

/** Where the parts of one parsed file stand in its text. */
export interface Locator {
  /** The node at `path`, or the nearest enclosing one that exists. */
  locate(path: Path): Place;
  /** The key of the entry at `path` rather than its value. */
  locateKey(path: Path): Place;
  /** Character `offset` inside the string value at `path`: exact for plain, quoted and block scalars without
   *  escapes or folding, else the start of the value. */
  locateInside(path: Path, offset: number): Place;
}

export type ParsedSource<T> =
  | ({ readonly ok: true; readonly value: T } & Locator)
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** `policy.yaml:12:5 rules[0].whne: unknown key, did you mean "when"?` */
export function renderFault(fault: Fault): string {
  const path = fault.path === '' ? '' : ` ${fault.path}:`;
  const hint = fault.suggestion === null ? '' : `, did you mean ${JSON.stringify(fault.suggestion)}?`;
  return `${fault.file}:${fault.line}:${fault.column}${path} ${fault.what}${hint}`;
}

/** `['rules', 0, 'when']` -> `rules[0].when`. */
export function renderPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** Parses one YAML document and checks it with `schema`. All faults found are returned, in order of place. */
export function parseYamlDocument<T>(text: string, fileName: string, schema: z.ZodType<T>): ParsedSource<T> {
  const lines = new LineCounter();
  const at = (offset: number, path: Path, what: string, suggestion: string | null = null): Fault => ({
    ...placeOf(lines, fileName, offset),
    path: renderPath(path),
    what,
    suggestion,
  });
  if (text.length > maxSourceChars) return { ok: false, faults: [at(0, [], 'the file is larger than 1 MiB')] };

  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'error',
      uniqueKeys: true,
      stringKeys: true,
      strict: true,
      merge: false,
      version: '1.2',
      schema: 'core',
    });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    return { ok: false, faults: [at(0, [], 'the file is nested too deeply')] };
  }

  const broken = [...document.errors, ...document.warnings].map((error) =>
    at(error.pos[0], [], syntaxText[error.code] ?? `not valid YAML: ${error.code.toLowerCase().replaceAll('_', ' ')}`),
  );
  if (broken.length === 0) broken.push(...refusedNodes(document).map((node) => at(node.offset, [], node.what)));
  if (broken.length > 0) return { ok: false, faults: sorted(broken) };

  const locator = locatorOf(document, text, fileName, lines);
  const checked = schema.safeParse(document.toJS({ maxAliasCount: 0 }), { reportInput: true });
  if (checked.success) return { ok: true, value: checked.data, ...locator };
  const faults = describeIssues(schema, checked.error.issues).map(({ path, key, what, suggestion }) => ({
    ...(key ? locator.locateKey(path) : locator.locate(path)),
    path: renderPath(path),
    what,
    suggestion,
  }));
  return { ok: false, faults: sorted(faults) };
}

/** Fixed texts for the library's codes; its own messages may quote the source. */
const syntaxText: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key is given twice',
  MULTIPLE_DOCS: 'a second document starts here; one file holds one document',
  NON_STRING_KEY: 'keys must be plain text',
  TAB_AS_INDENT: 'tabs cannot indent; use spaces',
  TAG_RESOLVE_FAILED: 'tags are not supported',
  BAD_INDENT: 'the indentation does not fit what is above',
  MISSING_CHAR: 'not valid YAML: a character is missing here (quote, colon, comma or bracket)',
};

function sorted(faults: readonly Fault[]): readonly Fault[] {
  return faults.toSorted((left, right) => left.line - right.line || left.column - right.column).slice(0, maxFaults);
}

function placeOf(lines: LineCounter, file: string, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** Anchors, aliases and explicit tags: an alias can blow a small file up, and a reader of a diff cannot follow it. */
function refusedNodes(document: Document.Parsed): { readonly offset: number; readonly what: string }[] {
  const found: { offset: number; what: string }[] = [];
  visit(document, {
    Node(_key, node) {
      const offset = node.range?.[0] ?? 0;
      if (isAlias(node)) found.push({ offset, what: 'aliases are not supported; write the value out' });
      else if (node.anchor !== undefined) found.push({ offset, what: 'anchors are not supported; write the value out' });
      else if (node.tag !== undefined) found.push({ offset, what: 'tags are not supported' });
    },
  });
  return found;
}

function locatorOf(document: Document.Parsed, text: string, file: string, lines: LineCounter): Locator {
  const offsetOf = (node: Node): number => node.range?.[0] ?? 0;

  /** The node at the longest prefix of `path` that exists, and the offset of its key. */
  const nearest = (path: Path): { node: Node | null; keyOffset: number; complete: boolean } => {
    let node: Node | null = document.contents;
    let keyOffset = node === null ? 0 : offsetOf(node);
    for (const part of path) {
      if (!isCollection(node)) return { node, keyOffset, complete: false };
      const pair = isMap(node) ? node.items.find((item) => isScalar(item.key) && item.key.value === part) : undefined;
      const next: unknown = pair === undefined ? (isMap(node) ? undefined : node.items[Number(part)]) : pair.value;
      if (pair !== undefined && isPair(pair) && isNode(pair.key)) keyOffset = offsetOf(pair.key);
      if (!isNode(next)) return { node: pair === undefined ? node : null, keyOffset, complete: false };
      if (pair === undefined) keyOffset = offsetOf(next);
      node = next;
    }
    return { node, keyOffset, complete: true };
  };

  const locate = (path: Path): Place => {
    const found = nearest(path);
    return placeOf(lines, file, found.node === null ? found.keyOffset : offsetOf(found.node));
  };

  return {
    locate,
    locateKey: (path) => placeOf(lines, file, nearest(path).keyOffset),
    locateInside(path, offset) {
      const { node, complete } = nearest(path);
      if (!complete || !isScalar(node) || typeof node.value !== 'string' || !node.range) return locate(path);
      const [start, end] = node.range;
      return placeOf(lines, file, start + (insideScalar(text.slice(start, end), node.value, offset) ?? 0));
    },
  };
}

/** Offset in the scalar's source text of character `offset` of its value; null when they do not correspond. */
function insideScalar(source: string, value: string, offset: number): number | null {
  const direct = source.indexOf(value);
  if (direct >= 0 && value !== '') return direct + offset;
  if (!source.startsWith('|')) return null;
  const before = value.slice(0, offset).split('\n');
  const sourceLines = source.split('\n');
  const header = sourceLines[0] ?? '';
  const line = sourceLines[before.length] ?? '';
  const valueLine = value.split('\n')[before.length - 1] ?? '';
  const indent = line.indexOf(valueLine);
  if (indent < 0) return null;
  const lineStart = sourceLines.slice(1, before.length).reduce((sum, each) => sum + each.length + 1, header.length + 1);
  return lineStart + indent + (before.at(-1)?.length ?? 0);
}
