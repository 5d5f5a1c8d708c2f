// The matrix of the API as what stands in each box of a table.

import type { Answer } from '../../api/client.ts';
import type { Tone } from '../../ui/badge.tsx';

export type Matrix = Answer<'GET /v1/policy/matrix'>;
type Cell = Matrix['cells'][number];
type Effect = Cell['effects'][number];

/** Effects of one cell that come out in the same way. */
export interface Group {
  readonly words: string;
  readonly tone: Tone;
  readonly effects: readonly Effect['effect'][];
  /** Rules that hold or deny them, whatever the statement is. */
  readonly rules: readonly string[];
}

/** What nothing gives is not listed: everything is denied that is not given. */
export function groupsOf({ effects }: Pick<Cell, 'effects'>): readonly Group[] {
  const given = effects.filter(({ by }) => by !== null);
  return [...Map.groupBy(given, wordsOf)].map(([words, of]) => ({
    words,
    tone: toneOf(of[0]),
    effects: of.map(({ effect }) => effect),
    rules: [...new Set(of.flatMap(({ rules }) => rules))],
  }));
}

/** What is not given yet is not green. */
function toneOf(effect: Effect | undefined): Tone {
  if (effect === undefined) return 'deny';
  return effect.outcome === 'allow' && effect.by !== 'standing' ? 'plain' : effect.outcome;
}

function wordsOf({ outcome, by }: Effect): string {
  const how = by === 'on-request' ? 'on request' : by === 'break-glass' ? 'break-glass' : null;
  if (how === null) return outcome;
  return outcome === 'allow' ? how : `${how}, then ${outcome}`;
}

/** By role, then by target; a role without anything on a target is not in there. */
export function cellsByRole(cells: readonly Cell[]): ReadonlyMap<string, ReadonlyMap<string, Cell>> {
  return new Map([...Map.groupBy(cells, ({ role }) => role)].map(([role, of]) => [role, new Map(of.map((cell) => [cell.target, cell]))]));
}

/** Roles and targets that a search leaves, each by a part of its name; empty = all. */
export function narrowed(matrix: Matrix, search: string): Matrix {
  const wanted = search.trim().toLowerCase();
  if (wanted === '') return matrix;
  const passes = (name: string): boolean => name.toLowerCase().includes(wanted);
  const roles = matrix.roles.filter(({ role, members }) => passes(role) || members.some(passes));
  const targets = matrix.targets.filter(passes);
  return {
    ...matrix,
    roles: roles.length === 0 && targets.length > 0 ? matrix.roles : roles,
    targets: targets.length === 0 ? matrix.targets : targets,
  };
}
