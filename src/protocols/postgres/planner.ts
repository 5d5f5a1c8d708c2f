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
import type { MaskColumn, MessagePolicy, Plan, PlanContext, SessionObjects } from '../../sql/plan.ts';
import type { ResultColumn } from './messages.ts';
import { stricter } from './scrub.ts';

/** What policy says about one target; changes with the policy version only. */
export interface TargetPolicy {
  /** Identifies the policy version. */
  readonly version: string;
  readonly classRules: readonly ColumnRule[];
  readonly safeFunctions: ReadonlySet<string>;
}

/** One statement text, understood. */
export interface PlannedText {
  readonly text: string;
  readonly textBytes: Uint8Array;
  readonly textSha256: Sha256Hex;
  readonly plan: Plan;
  readonly catalogueVersion: string;
  readonly policyVersion: string;
  readonly maskSetId: string;
  /** Strictest policy of its statements. */
  readonly messages: MessagePolicy;
  /** It creates, drops or renames what later statements may name. */
  readonly hasChanges: boolean;
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

interface CacheEntry {
  readonly planned: PlannedText;
  /** Names of session objects it asked for and did not find, by kind. */
  readonly absent: readonly (readonly [kind: keyof SessionObjects, name: string])[];
}

/** Longer texts are planned every time: they rarely repeat and would fill the cache. */
const maxCachedTextChars = 16_384;

export class Planner {
  readonly #deps: PlannerDeps;
  readonly #cache = new Map<string, CacheEntry>();
  readonly #maskColumns = new Map<string, MaskColumn>();
  #protection: { readonly key: string; readonly policyVersion: string; readonly value: Protection } | null = null;

  constructor(deps: PlannerDeps) {
    this.#deps = deps;
  }

  /** Empty while there is no catalogue. */
  get catalogueVersion(): string {
    return this.#deps.catalogue()?.version ?? '';
  }

  get isReady(): boolean {
    return this.#deps.catalogue() !== null;
  }

  /** Catalogue, policy or masks have changed since. */
  isStale(planned: Pick<PlannedText, 'catalogueVersion' | 'policyVersion' | 'maskSetId'>, masks: MaskSet): boolean {
    return (
      planned.catalogueVersion !== this.catalogueVersion ||
      planned.policyVersion !== this.#deps.policy().version ||
      planned.maskSetId !== masks.id
    );
  }

  /** Never throws: what is not understood is in the facts, and so is a catalogue that cannot be relied on. */
  plan(text: string, masks: MaskSet, objects: SessionObjects & { readonly isEmpty: boolean }): PlannedText {
    if (!this.isReady) return blindPlan(text, masks);
    const protection = this.protection();
    const key = `${protection.catalogue.version}\0${this.#deps.policy().version}\0${masks.id}\0${text}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined && (objects.isEmpty || cached.absent.every(([kind, name]) => objects[kind](name) === undefined))) {
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached.planned;
    }
    const watched = new WatchedObjects(objects);
    const planned = this.#plan(text, masks, protection, watched);
    if (!watched.hasFound && text.length <= maxCachedTextChars) this.#keep(key, { planned, absent: watched.absent });
    return planned;
  }

  /** Policy columns after closure, for the catalogue and policy in force. @throws SP_CATALOGUE_UNAVAILABLE */
  protection(): Protection {
    const catalogue = this.#catalogue();
    const { version, classRules, safeFunctions } = this.#deps.policy();
    const key = `${catalogue.version}\0${version}`;
    if (this.#protection?.key !== key) {
      // A column that was renamed behind the gateway's back is still what policy meant; a new policy says it anew.
      const bound = this.#protection?.policyVersion === version ? this.#protection.value.bound : [];
      const value = this.#deps.engine.protect(catalogue, classRules, safeFunctions, this.#deps.parser, bound);
      this.#protection = { key, policyVersion: version, value };
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
    const plan = engine.plan(
      text,
      { protection, searchPath, maskColumn: this.#maskColumn(masks), objects, safeFunctions: policy().safeFunctions },
      parser,
    );
    const textBytes = Buffer.from(text, 'utf8');
    let messages: MessagePolicy = 'pass';
    for (const statement of plan.statements) messages = stricter(messages, statement.messages);
    return {
      text,
      textBytes,
      textSha256: sha256(textBytes),
      plan,
      catalogueVersion: protection.catalogue.version,
      policyVersion: policy().version,
      maskSetId: masks.id,
      messages,
      hasChanges: plan.statements.some((statement) => statement.changes.length > 0),
    };
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

  #keep(key: string, entry: CacheEntry): void {
    this.#cache.set(key, entry);
    if (this.#cache.size <= this.#deps.maxCachedTexts) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }
}

/** Without a catalogue nothing is known about a statement, and nothing is allowed. */
function blindPlan(text: string, masks: MaskSet): PlannedText {
  const textBytes = Buffer.from(text, 'utf8');
  return {
    text,
    textBytes,
    textSha256: sha256(textBytes),
    plan: {
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
        textBytes: textBytes.length,
        fingerprint: null,
      },
      forward: null,
      statements: [],
    },
    catalogueVersion: '',
    policyVersion: '',
    maskSetId: masks.id,
    messages: 'code-only',
    hasChanges: false,
  };
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
