// Plans that were made, by mask set and text, and by shape for texts that differ only in inert literals. Everything in it
// belongs to one catalogue and one policy version; the planner clears it when either changes.
// INVARIANT: a text gets a plan from here only if planning it anew would give the same facts and the same rewriting.

import type { Plan, SessionObjects } from '../../sql/plan.ts';
import { type LiteralShape, inertConstants, literalShape, standIn } from '../../sql/literal-shape.ts';
import type { Parser } from '../../sql/parser.ts';
import type { PlannedText } from './planner.ts';

export interface Made {
  readonly planned: PlannedText;
  /** Names of session objects it asked for and did not find, by kind. Null: it found one, and is of that session only. */
  readonly absent: readonly (readonly [kind: keyof SessionObjects, name: string])[] | null;
}

/** What texts of one shape share. */
interface ShapePlan extends Made {
  /** Literals that must be written exactly so, by index. */
  readonly fixed: readonly (readonly [index: number, literal: string])[];
  /** The rewritten text around its literals; null when the text is forwarded as it is. */
  readonly pieces: readonly string[] | null;
  /** Which literal follows each piece but the last. */
  readonly slots: readonly number[];
}

interface Shelf {
  readonly texts: Map<string, Made>;
  readonly shapes: Map<string, ShapePlan[]>;
  /** Shapes that were planned once: the second time is worth the proof. */
  readonly seen: Set<string>;
}

export interface PlanCacheStats {
  texts: number;
  shapes: number;
  misses: number;
}

/** Longer texts are planned every time: they rarely repeat and would fill the cache. */
const maxCachedTextChars = 16_384;
/** Plans of one shape that differ in literals which matter, a LIMIT for example. */
const maxPlansOfShape = 8;

export class PlanCache {
  readonly stats: PlanCacheStats = { texts: 0, shapes: 0, misses: 0 };
  readonly #maxTexts: number;
  readonly #parser: Parser;
  /** By mask set. */
  #shelves = new Map<string, Shelf>();

  constructor(maxTexts: number, parser: Parser) {
    this.#maxTexts = maxTexts;
    this.#parser = parser;
  }

  clear(): void {
    this.#shelves = new Map();
  }

  /** @param objects names the session has given; a plan that found no object of a name holds only where there is none. */
  find(maskSetId: string, text: string, objects: SessionObjects & { readonly isEmpty: boolean }): PlannedText | null {
    const shelf = this.#shelf(maskSetId);
    const made = shelf.texts.get(text);
    if (made !== undefined && isAbsent(made, objects)) {
      this.#touch(shelf, text, made);
      this.stats.texts += 1;
      return made.planned;
    }
    const planned = made === undefined && text.length <= maxCachedTextChars ? this.#findShape(shelf, text, objects) : null;
    if (planned === null) this.stats.misses += 1;
    else this.stats.shapes += 1;
    return planned;
  }

  /** @param plan plans another text under the same conditions. */
  keep(maskSetId: string, made: Made, plan: (text: string) => Made): void {
    const { text } = made.planned;
    if (text.length > maxCachedTextChars || made.absent === null) return;
    const shelf = this.#shelf(maskSetId);
    if (this.#keepShape(shelf, made, plan)) return;
    shelf.texts.set(text, made);
    trim(shelf.texts, this.#maxTexts);
  }

  #shelf(maskSetId: string): Shelf {
    let shelf = this.#shelves.get(maskSetId);
    if (shelf === undefined) this.#shelves.set(maskSetId, (shelf = { texts: new Map(), shapes: new Map(), seen: new Set() }));
    return shelf;
  }

  #findShape(shelf: Shelf, text: string, objects: SessionObjects & { readonly isEmpty: boolean }): PlannedText | null {
    if (shelf.shapes.size === 0) return null;
    const shape = literalShape(text);
    if (shape === null) return null;
    for (const known of shelf.shapes.get(shape.key) ?? []) {
      if (!known.fixed.every(([index, literal]) => shape.literals[index] === literal) || !isAbsent(known, objects)) continue;
      return known.planned.withText(text, known.pieces === null ? text : assemble(known.pieces, known.slots, shape.literals));
    }
    return null;
  }

  /** @returns false when the plan holds for this text only. */
  #keepShape(shelf: Shelf, made: Made, plan: (text: string) => Made): boolean {
    const { planned } = made;
    // By its constants it is found whose data it touches: each text has its own.
    if (planned.hasChanges || planned.plan.forward === null || planned.plan.subjectConstants !== undefined) return false;
    const shape = literalShape(planned.text);
    if (shape === null) return false;
    const { key } = shape;
    if (!shelf.seen.has(key)) {
      shelf.seen.add(key);
      trim(shelf.seen, this.#maxTexts);
      return false;
    }
    const parsed = this.#parser.parse(planned.text);
    if (!parsed.ok) return false;
    const inert = inertConstants(parsed.tree);
    // The parser makes one constant of a number and the minus before it.
    const isInert = shape.starts.map((start) => inert.has(start) || (planned.text[start - 1] === '-' && inert.has(start - 1)));
    const shapePlan = isInert.includes(true) ? proveShape(made, shape, isInert, plan) : null;
    if (shapePlan === null) return false;
    const plans = shelf.shapes.get(key) ?? [];
    shelf.shapes.set(key, [shapePlan, ...plans].slice(0, maxPlansOfShape));
    trim(shelf.shapes, this.#maxTexts);
    return true;
  }

  #touch(shelf: Shelf, text: string, made: Made): void {
    // Re-inserting is what makes it the youngest; not worth its price while nothing is about to go.
    if (shelf.texts.size < this.#maxTexts / 2) return;
    shelf.texts.delete(text);
    shelf.texts.set(text, made);
  }
}

/** Plans the text with other literals in the inert places: facts must be the same, and the rewriting the same around them. */
function proveShape(made: Made, shape: LiteralShape, isInert: readonly boolean[], plan: (text: string) => Made): ShapePlan | null {
  const { planned } = made;
  const isVerbatim = planned.plan.forward === planned.text;
  const standIns = shape.literals.map((literal, index) => (isInert[index] === true ? standIn(literal, index) : literal));
  if (standIns.some((literal, index) => isInert[index] === true && planned.text.includes(literal.replaceAll("'", '')))) return null;
  const otherText = fill(planned.text, shape, standIns);
  const other = plan(otherText);
  if (made.absent === null || other.absent === null || other.planned.plan.forward === null) return null;
  if (!samePlan(planned.plan, other.planned.plan) || planned.messages !== other.planned.messages) return null;
  const fixed = shape.literals.flatMap((literal, index) => (isInert[index] === true ? [] : [[index, literal] as const]));
  const absent = [...made.absent, ...other.absent];
  if (isVerbatim) return other.planned.plan.forward === otherText ? { planned, absent, fixed, pieces: null, slots: [] } : null;
  const cut = cutAt(other.planned.plan.forward, standIns, isInert);
  if (cut === null || assemble(cut.pieces, cut.slots, shape.literals) !== planned.plan.forward) return null;
  return { planned, absent, fixed, ...cut };
}

function fill(text: string, shape: LiteralShape, literals: readonly string[]): string {
  let filled = '';
  let end = 0;
  for (const [index, start] of shape.starts.entries()) {
    filled += text.slice(end, start) + (literals[index] ?? '');
    end = start + (shape.literals[index] ?? '').length;
  }
  return filled + text.slice(end);
}

/** Cuts `text` at the stand-ins; each must be there. */
function cutAt(text: string, standIns: readonly string[], isInert: readonly boolean[]): { pieces: string[]; slots: number[] } | null {
  const places: { at: number; end: number; index: number }[] = [];
  for (const [index, literal] of standIns.entries()) {
    if (isInert[index] !== true) continue;
    const before = places.length;
    for (let at = text.indexOf(literal); at >= 0; at = text.indexOf(literal, at + literal.length)) {
      places.push({ at, end: at + literal.length, index });
    }
    if (places.length === before) return null;
  }
  places.sort((one, other) => one.at - other.at);
  const pieces: string[] = [];
  let end = 0;
  for (const place of places) {
    if (place.at < end) return null;
    pieces.push(text.slice(end, place.at));
    end = place.end;
  }
  pieces.push(text.slice(end));
  return { pieces, slots: places.map(({ index }) => index) };
}

function assemble(pieces: readonly string[], slots: readonly number[], literals: readonly string[]): string {
  let text = pieces[0] ?? '';
  for (let at = 0; at < slots.length; at += 1) text += (literals[slots[at] ?? 0] ?? '') + (pieces[at + 1] ?? '');
  return text;
}

function samePlan(one: Plan, other: Plan): boolean {
  return JSON.stringify([one.facts, one.statements]) === JSON.stringify([other.facts, other.statements]);
}

function isAbsent(made: Made, objects: SessionObjects & { readonly isEmpty: boolean }): boolean {
  return objects.isEmpty || made.absent?.every(([kind, name]) => objects[kind](name) === undefined) === true;
}

function trim(map: Map<string, unknown> | Set<string>, max: number): void {
  if (map.size <= max) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
