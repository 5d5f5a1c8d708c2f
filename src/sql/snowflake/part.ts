// What is found out about one statement of a request, and how refusals are worded.

import type { Unknown } from '../../core/facts.ts';
import type { Token } from './lexer.ts';
import type { Walked } from './walked.ts';

/** Like what the walker says, with offsets of edits in the text of the request. */
export type Part = Walked;

const NOTHING: Omit<Part, 'verb'> = {
  effects: [],
  relations: [],
  columns: [],
  shown: [],
  tested: [],
  open: [],
  classes: [],
  predicateClasses: [],
  outputs: null,
  unknowns: [],
  edits: [],
  bindEdits: new Map(),
  mayTell: false,
  unbounded: false,
  limit: null,
  changes: [],
};

export function part(verb: string, found: Partial<Part> = {}): Part {
  return { ...NOTHING, verb, ...found };
}

export function refused(verb: string, unknown: Unknown, token?: Token): Part {
  return part(verb, { unknowns: [token === undefined ? unknown : { ...unknown, at: token.start + 1 }] });
}

/** A statement of a kind that is not passed at all. */
export function kindRefused(verb: string, what: string, remedy: string, token?: Token): Part {
  return refused(verb, { code: 'statement-kind', what, remedy }, token);
}
