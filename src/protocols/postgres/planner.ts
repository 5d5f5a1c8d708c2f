// Plans statements for one target: text -> facts and rewritten text, cached; and the tripwire over result columns.
// Cache key: exact text, mask set, policy version, catalogue version. A plan that consulted objects of a session is
// shared only with sessions that have no object of those names.

import { createHash } from 'node:crypto';
import type { MaskSet } from '../../core/decision.ts';
import { ERROR_CODES, SallyportError } from '../../core/error.ts';
import type { Sha256Hex } from '../../core/ids.ts';
import { maskExpression } from '../../masking/index.ts';
import type { BoundColumn, Catalogue, ColumnRule, Protection } from '../../sql/catalogue.ts';
import type { Parser } from '../../sql/parser.ts';
import type { MaskColumn, MessagePolicy, Plan, PlanContext, SessionObjects, Residuals } from '../../sql/plan.ts';
import type { ResultColumn } from './messages.ts';
import { type Made, PlanCache, type PlanCacheStats } from './plan-cache.ts';
import { stricter } from './scrub.ts';

/** What policy says about one target; changes with the policy version only. */
export interface TargetPolicy {
  /** Identifies the policy version. */
  readonly version: string;
  readonly classRules: readonly ColumnRule[];
  readonly safeFunctions: ReadonlySet<string>;
  /** Absent = the defaults. */
  readonly residuals?: Residuals;
}

/** What a plan was made under. */
interface PlannedUnder {
  readonly catalogueVersion: string;
  readonly policyVersion: string;
  readonly maskSetId: string;
}

/** One statement text, understood. */
export class PlannedText {
  readonly text: string;
  readonly plan: Plan;
  readonly under: PlannedUnder;
  /** Strictest policy of its statements. */
  readonly messages: MessagePolicy;
  /** It creates, drops or renames what later statements may name. */
  readonly hasChanges: boolean;
  #textBytes: Uint8Array | null = null;
  #textSha256: Sha256Hex | null = null;

  constructor(text: string, plan: Plan, under: PlannedUnder, messages: MessagePolicy, hasChanges: boolean) {
    this.text = text;
    this.plan = plan;
    this.under = under;
    this.messages = messages;
    this.hasChanges = hasChanges;
  }

  get maskSetId(): string {
    return this.under.maskSetId;
  }

  get catalogueVersion(): string {
    return this.under.catalogueVersion;
  }

  /** The same object at every call: what is recorded with it is recorded once. */
  get textBytes(): Uint8Array {
    this.#textBytes ??= Buffer.from(this.text, 'utf8');
    return this.#textBytes;
  }

  get textSha256(): Sha256Hex {
    this.#textSha256 ??= sha256(this.textBytes);
    return this.#textSha256;
  }

  /** The plan of a text that differs in inert literals only. */
  withText(text: string, forward: string): PlannedText {
    const { facts, statements } = this.plan;
    return new PlannedText(text, { facts, forward, statements }, this.under, this.messages, this.hasChanges);
  }
}

export interface SqlEngine {
  plan(text: string, context: PlanContext, parser: Parser): Plan;
  protect(
    catalogue: Catalogue,
    rules: readonly ColumnRule[],
    safeFunctions: ReadonlySet<string>,
    parser: Parser,
    bound: readonly BoundColumn[],
  ): Protection;
}

export interface PlannerDeps {
  readonly engine: SqlEngine;
  readonly parser: Parser;
  readonly policy: () => TargetPolicy;
  /** Newest snapshot, or null while there is none. */
  readonly catalogue: () => Catalogue | null;
  readonly searchPath: readonly string[];
  readonly maxCachedTexts: number;
}

export class Planner {
  readonly #deps: PlannerDeps;
  readonly #cache: PlanCache;
  readonly #maskColumns = new Map<string, MaskColumn>();
  #protection: { readonly catalogue: Catalogue; readonly policyVersion: string; readonly value: Protection } | null = null;

  constructor(deps: PlannerDeps) {
    this.#deps = deps;
    this.#cache = new PlanCache(deps.maxCachedTexts, deps.parser);
  }

  /** How often a plan was found by text, by shape, or not at all. */
  get cacheStats(): Readonly<PlanCacheStats> {
    return this.#cache.stats;
  }

  /** Empty while there is no catalogue. */
  get catalogueVersion(): string {
    return this.#deps.catalogue()?.version ?? '';
  }

  get isReady(): boolean {
    return this.#deps.catalogue() !== null;
  }

  /** Catalogue, policy or masks have changed since. */
  isStale({ under }: PlannedText, masks: MaskSet): boolean {
    return (
      under.catalogueVersion !== this.catalogueVersion ||
      under.policyVersion !== this.#deps.policy().version ||
      under.maskSetId !== masks.id
    );
  }

  /** Never throws: what is not understood is in the facts, and so is a catalogue that cannot be relied on. */
  plan(text: string, masks: MaskSet, objects: SessionObjects & { readonly isEmpty: boolean }): PlannedText {
    if (!this.isReady) return blindPlan(text, masks);
    const protection = this.protection();
    const cached = this.#cache.find(masks.id, text, objects);
    if (cached !== null) return cached;
    const make = (wanted: string): Made => {
      const watched = new WatchedObjects(objects);
      const planned = this.#plan(wanted, masks, protection, watched);
      return { planned, absent: watched.hasFound ? null : watched.absent };
    };
    const made = make(text);
    this.#cache.keep(masks.id, made, make);
    return made.planned;
  }

  /** Policy columns after closure, for the catalogue and policy in force. @throws SP_CATALOGUE_UNAVAILABLE */
  protection(): Protection {
    const catalogue = this.#catalogue();
    const { version, classRules, safeFunctions } = this.#deps.policy();
    if (this.#protection?.catalogue !== catalogue || this.#protection.policyVersion !== version) {
      // A column that was renamed behind the gateway's back is still what policy meant; a new policy says it anew.
      const bound = this.#protection?.policyVersion === version ? this.#protection.value.bound : [];
      const value = this.#deps.engine.protect(catalogue, classRules, safeFunctions, this.#deps.parser, bound);
      this.#protection = { catalogue, policyVersion: version, value };
      this.#cache.clear();
      this.#maskColumns.clear();
    }
    return this.#protection.value;
  }

  /** INVARIANT: a column the masks hide, or a whole row of its relation, must never be the origin of a result column.
   *  Uses the newest protection: a column protected since the statement was planned counts. */
  exposesProtected(columns: readonly ResultColumn[], masks: MaskSet): boolean {
    const protection = this.protection();
    return columns.some(({ tableOid, attnum }) => {
      if (tableOid === 0 || !protection.isProtected(tableOid)) return false;
      const relation = protection.catalogue.relationByOid(tableOid);
      if (relation === undefined) return true;
      const maskColumn = this.#maskColumn(masks);
      return relation.columns.some((column) => {
        if (attnum !== 0 && column.attnum !== attnum) return false;
        const classes = protection.classesOf(tableOid, column.name);
        return classes.length > 0 && maskColumn(relation, column, classes) !== null;
      });
    });
  }

  #plan(text: string, masks: MaskSet, protection: Protection, objects: SessionObjects): PlannedText {
    const { engine, parser, policy, searchPath } = this.#deps;
    const { safeFunctions, residuals } = policy();
    const plan = engine.plan(
      text,
      {
        protection,
        searchPath,
        maskColumn: this.#maskColumn(masks),
        objects,
        safeFunctions,
        ...(residuals === undefined ? {} : { residuals }),
      },
      parser,
    );
    let messages: MessagePolicy = 'pass';
    for (const statement of plan.statements) messages = stricter(messages, statement.messages);
    const under = { catalogueVersion: protection.catalogue.version, policyVersion: policy().version, maskSetId: masks.id };
    return new PlannedText(
      text,
      plan,
      under,
      messages,
      plan.statements.some((statement) => statement.changes.length > 0),
    );
  }

  #maskColumn(masks: MaskSet): MaskColumn {
    let maskColumn = this.#maskColumns.get(masks.id);
    if (maskColumn === undefined) {
      maskColumn = (_relation, column, classes) =>
        maskExpression({ columnName: column.name, typeName: column.typeName, typeSchema: column.typeSchema, classes }, masks)?.sql ?? null;
      this.#maskColumns.set(masks.id, maskColumn);
    }
    return maskColumn;
  }

  #catalogue(): Catalogue {
    const catalogue = this.#deps.catalogue();
    if (catalogue === null) throw new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'no catalogue was read yet');
    return catalogue;
  }
}

/** Without a catalogue nothing is known about a statement, and nothing is allowed. */
function blindPlan(text: string, masks: MaskSet): PlannedText {
  const plan: Plan = {
    facts: {
      verbs: [],
      statements: 0,
      effects: [],
      relations: [],
      columns: [],
      classes: [],
      outputs: [],
      outputClasses: [],
      predicateClasses: [],
      unbounded: false,
      limit: null,
      unknowns: [{ code: 'catalogue', what: 'unavailable', remedy: ERROR_CODES.SP_CATALOGUE_UNAVAILABLE.remedy }],
      normalised: null,
      fingerprint: null,
    },
    forward: null,
    statements: [],
  };
  return new PlannedText(text, plan, { catalogueVersion: '', policyVersion: '', maskSetId: masks.id }, 'code-only', false);
}

/** Lets the planner ask, and remembers what the answer depended on. */
class WatchedObjects implements SessionObjects {
  readonly absent: (readonly [kind: keyof SessionObjects, name: string])[] = [];
  hasFound = false;
  readonly #objects: SessionObjects;

  constructor(objects: SessionObjects) {
    this.#objects = objects;
  }

  prepared(name: string): ReturnType<SessionObjects['prepared']> {
    return this.#watch('prepared', name, this.#objects.prepared(name));
  }

  cursor(name: string): ReturnType<SessionObjects['cursor']> {
    return this.#watch('cursor', name, this.#objects.cursor(name));
  }

  temporary(name: string): ReturnType<SessionObjects['temporary']> {
    return this.#watch('temporary', name, this.#objects.temporary(name));
  }

  #watch<T>(kind: keyof SessionObjects, name: string, found: T): T {
    if (found === undefined) this.absent.push([kind, name]);
    else this.hasFound = true;
    return found;
  }
}

export function sha256(bytes: Uint8Array): Sha256Hex {
  return createHash('sha256').update(bytes).digest('hex') as Sha256Hex;
}
