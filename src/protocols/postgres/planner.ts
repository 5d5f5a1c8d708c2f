// Plans statements for one target: text -> facts and rewritten text, cached; and the tripwire over result columns.
// Cache key: exact text, mask set, policy version, catalogue version. A plan that consulted objects of a session is
// shared only with sessions that have no object of those names.

import { createHash } from 'node:crypto';
import type { MaskSet } from '../../core/decision.ts';
import { ERROR_CODES, SallyportError } from '../../core/error.ts';
import { NO_FACTS, type Unknown } from '../../core/facts.ts';
import type { Sha256Hex } from '../../core/ids.ts';
import { type MaskedColumn, maskExpression, type TokenSpace } from '../../masking/index.ts';
import type { BoundColumn, Catalogue, Column, ColumnRule, Protection, Relation } from '../../sql/catalogue.ts';
import type { Parser } from '../../sql/parser.ts';
import type { MaskColumn, MessagePolicy, Plan, PlanContext, PlannedStatement, SessionObjects, Residuals } from '../../sql/plan.ts';
import { subjectColumns, type SubjectColumns, type SubjectRule } from '../../sql/subject-columns.ts';
import type { PlanTokens, Tokens } from '../../sql/token-values.ts';
import type { ResultColumn } from './messages.ts';
import { tokensOf } from './token-columns.ts';
import { type Made, PlanCache, type PlanCacheStats } from './plan-cache.ts';
import { stricter } from './scrub.ts';
import { formSha256 } from './statement-form.ts';

/** What policy says about one target; changes with the policy version only. */
export interface TargetPolicy {
  /** Identifies the policy version. */
  readonly version: string;
  readonly classRules: readonly ColumnRule[];
  readonly safeFunctions: ReadonlySet<string>;
  /** Column that says whose data the values of a class are (`subjectsOf` of the policy); absent = no class has one. */
  readonly subjectOf?: (className: string, relation: Relation) => string | null | undefined;
  /** Patterns that are written for many schemas: nobody is told when they match nothing. */
  readonly mayBeMissing?: ReadonlySet<string>;
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
  /** It names something that only this session has: a temporary relation, a prepared statement, a cursor. */
  readonly dependsOnSession: boolean;
  #textBytes: Uint8Array | null = null;

  constructor(text: string, plan: Plan, under: PlannedUnder, messages: MessagePolicy, hasChanges: boolean, dependsOnSession: boolean) {
    this.text = text;
    this.plan = plan;
    this.under = under;
    this.messages = messages;
    this.hasChanges = hasChanges;
    this.dependsOnSession = dependsOnSession;
  }

  get maskSetId(): string {
    return this.under.maskSetId;
  }

  get catalogueVersion(): string {
    return this.under.catalogueVersion;
  }

  /** Only statements that begin, end or divide transactions: they mean the same under every catalogue. */
  get isControl(): boolean {
    return this.plan.statements.length > 0 && this.plan.statements.every(({ transaction }) => transaction !== null);
  }

  /** Another catalogue may be in force once it has run: it makes or drops something, runs code, or ends a transaction. EXECUTE
   *  may do any of it: drivers prepare every kind of statement. */
  get mayMoveCatalogue(): boolean {
    const { facts, statements } = this.plan;
    return (
      this.hasChanges ||
      facts.effects.includes('call') ||
      facts.effects.includes('admin') ||
      statements.some(({ transaction, verb }) => transaction !== null || verb === 'EXECUTE')
    );
  }

  /** The same object at every call: what is recorded with it is recorded once. */
  get textBytes(): Uint8Array {
    this.#textBytes ??= Buffer.from(this.text, 'utf8');
    return this.#textBytes;
  }

  /** The same text, of which nothing may be sent. */
  refused(reason: Unknown): PlannedText {
    const plan = { ...this.plan, facts: { ...this.plan.facts, unknowns: [reason] }, forward: null };
    return new PlannedText(this.text, plan, this.under, this.messages, this.hasChanges, this.dependsOnSession);
  }

  /** The plan of a text that differs in inert literals only. */
  withText(text: string, forward: string): PlannedText {
    return new PlannedText(text, { ...this.plan, forward }, this.under, this.messages, this.hasChanges, this.dependsOnSession);
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
  /** Tokens of the target. */
  readonly tokens: TokenSpace;
  readonly maxCachedTexts: number;
  /** The protection of a catalogue, from whoever knows what its columns were called before. Absent: it is found here. */
  readonly kept?: (catalogue: Catalogue) => Protection;
  /** Keys of subjects, by the configuration. Absent = none. */
  readonly subjects?: readonly SubjectRule[];
  /** Told for each catalogue: patterns of `subjects` that match no column. */
  readonly onUnmatchedSubject?: (patterns: readonly string[]) => void;
  /** Columns that are protected whatever they are called in this catalogue, beside those bound before. */
  readonly bound?: () => readonly BoundColumn[];
}

export class Planner {
  readonly #deps: PlannerDeps;
  readonly #cache: PlanCache;
  readonly #maskColumns = new Map<string, MaskColumn>();
  readonly #ofTransactions = new Set<Planner>();
  readonly #tokens = new Map<string, Tokens | null>();
  #subjects: { readonly catalogue: Catalogue; readonly value: SubjectColumns } | null = null;
  #protection: { readonly catalogue: Catalogue; readonly policyVersion: string; readonly value: Protection } | null = null;

  constructor(deps: PlannerDeps) {
    this.#deps = deps;
    this.#cache = new PlanCache(deps.maxCachedTexts, deps.parser);
  }

  /** How often a plan was found by text, by shape, or not at all. */
  get cacheStats(): Readonly<PlanCacheStats> {
    return this.#cache.stats;
  }

  /** A planner for what one transaction sees: it shares no plan with this one, and what is protected here by now is protected
   *  there, whatever the transaction calls it. `release` it when the transaction is over.
   *  @param catalogue asked for every plan; null = nothing is understood. @returns null when there are too many already. */
  forTransaction(catalogue: () => Catalogue | null): Planner | null {
    if (this.#ofTransactions.size >= maxTransactions) return null;
    const { kept: _ofCommitted, ...deps } = this.#deps;
    const planner = new Planner({
      ...deps,
      catalogue: () => (this.isReady ? catalogue() : null),
      maxCachedTexts: maxTextsOfTransaction,
      bound: () => this.protection().bound,
    });
    this.#ofTransactions.add(planner);
    return planner;
  }

  release(ofTransaction: Planner): void {
    this.#ofTransactions.delete(ofTransaction);
  }

  /** A planner for what statements would be under another policy, of the same catalogue. It runs nothing and shares no plan. */
  under(other: Pick<TargetPolicy, 'version' | 'classRules' | 'subjectOf'>): Planner {
    const { kept: _ofInForce, ...deps } = this.#deps;
    return new Planner({
      ...deps,
      policy: () => ({ ...this.#deps.policy(), ...other }),
      maxCachedTexts: maxTextsOfTransaction,
      bound: () => this.protection().bound,
    });
  }

  /** Empty while there is no catalogue. */
  get catalogueVersion(): string {
    return this.isReady ? this.protection().version : '';
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
    if (!this.isReady) return blindPlan(text, masks, unavailable);
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
    const kept = this.#deps.kept?.(catalogue);
    if (kept !== undefined) return this.#use(catalogue, version, kept);
    if (this.#protection?.catalogue !== catalogue || this.#protection.policyVersion !== version) {
      // A column that was renamed behind the gateway's back is still what policy meant.
      const bound = [...(this.#protection?.value.bound ?? []), ...(this.#deps.bound?.() ?? [])];
      const value = this.#deps.engine.protect(catalogue, classRules, safeFunctions, this.#deps.parser, bound);
      return this.#use(catalogue, version, value);
    }
    return this.#protection.value;
  }

  #use(catalogue: Catalogue, policyVersion: string, value: Protection): Protection {
    if (this.#protection?.value !== value) {
      this.#protection = { catalogue, policyVersion, value };
      this.#cache.clear();
      this.#maskColumns.clear();
      this.#tokens.clear();
    }
    return value;
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

  #plan(text: string, masks: MaskSet, protection: Protection, objects: WatchedObjects): PlannedText {
    const { engine, parser, policy, searchPath } = this.#deps;
    const { safeFunctions, residuals } = policy();
    const plan = engine.plan(
      text,
      {
        protection,
        searchPath,
        maskColumn: this.#maskColumn(masks),
        tokens: this.tokens(masks),
        objects,
        safeFunctions,
        ...(residuals === undefined ? {} : { residuals }),
        ...this.#subjectsIn(protection.catalogue),
      },
      parser,
    );
    let messages: MessagePolicy = 'pass';
    for (const statement of plan.statements) messages = stricter(messages, statement.messages);
    const under = { catalogueVersion: protection.version, policyVersion: policy().version, maskSetId: masks.id };
    return new PlannedText(text, plan, under, messages, plan.statements.some(changesNames(plan)), objects.hasFound);
  }

  #subjectsIn(catalogue: Catalogue): Pick<PlanContext, 'subjects'> {
    const { subjects, engine, parser, policy } = this.#deps;
    if (subjects === undefined || subjects.length === 0) return {};
    if (this.#subjects?.catalogue !== catalogue) {
      const value = subjectColumns(catalogue, subjects, (rules) => engine.protect(catalogue, rules, policy().safeFunctions, parser, []));
      this.#subjects = { catalogue, value };
      if (value.unmatched.length > 0) this.#deps.onUnmatchedSubject?.(value.unmatched);
    }
    return { subjects: this.#subjects.value };
  }

  /** `schema.relation` of everything that may have rows of a subject; null = it is none of this target. */
  relationsOf(subject: string): readonly string[] | null {
    const { catalogue } = this.protection();
    const { subjects } = this.#subjectsIn(catalogue);
    if (subjects?.names.includes(subject) !== true) return null;
    return catalogue.relations.flatMap(({ qualified }) => (subjects.touches(subject, qualified) ? [qualified] : []));
  }

  /** What an approval is bound to instead of the exact text: see `statement-form.ts`. */
  formSha256({ text }: PlannedText): Sha256Hex {
    return formSha256(text, this.#deps.parser);
  }

  /** Null: nothing is shown by tokens under these masks. */
  tokens(masks: MaskSet): Tokens | null {
    let tokens = this.#tokens.get(masks.id);
    if (tokens === undefined) this.#tokens.set(masks.id, (tokens = tokensOf(this.#deps.tokens, masks, this.#deps.policy().subjectOf)));
    return tokens;
  }

  #maskColumn(masks: MaskSet): MaskColumn {
    let maskColumn = this.#maskColumns.get(masks.id);
    if (maskColumn === undefined) {
      maskColumn = (relation, column, classes) => this.#masked(relation, column, classes, masks)?.sql ?? null;
      this.#maskColumns.set(masks.id, maskColumn);
    }
    return maskColumn;
  }

  #masked(relation: Relation, column: Column, classes: readonly string[], masks: MaskSet): MaskedColumn | null {
    const { subjectOf } = this.#deps.policy();
    return maskExpression(
      {
        columnName: column.name,
        typeName: column.typeName,
        typeSchema: column.typeSchema,
        ...(column.baseType === undefined ? {} : { baseType: column.baseType }),
        classes,
        keyId: this.#deps.tokens.keyId,
        subjectOf(className) {
          const name = subjectOf?.(className, relation);
          const found = relation.byName.get(name ?? '');
          if (name === undefined) return undefined;
          return found === undefined ? null : { columnName: found.name, typeName: found.typeName, typeSchema: found.typeSchema };
        },
      },
      masks,
    );
  }

  #catalogue(): Catalogue {
    const catalogue = this.#deps.catalogue();
    if (catalogue === null) throw new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'no catalogue was read yet');
    return catalogue;
  }
}

/** Of a statement that a driver prepared, EXECUTE knows the effects only. */
const changesNames =
  ({ facts }: Plan) =>
  ({ changes, verb }: PlannedStatement): boolean =>
    changes.length > 0 || (verb === 'EXECUTE' && facts.effects.includes('ddl'));

const maxTextsOfTransaction = 200;
/** Each has a catalogue of its own: some 5 MB for 300 tables. */
export const maxTransactions = 50;
const unavailable: Unknown = { code: 'catalogue', what: 'unavailable', remedy: ERROR_CODES.SP_CATALOGUE_UNAVAILABLE.remedy };

/** Without a catalogue nothing is known about a statement, and nothing is allowed. */
export function blindPlan(text: string, masks: MaskSet, reason: Unknown): PlannedText {
  const plan: Plan = {
    facts: { ...NO_FACTS, unknowns: [reason] },
    forward: null,
    statements: [],
  };
  return new PlannedText(text, plan, { catalogueVersion: '', policyVersion: '', maskSetId: masks.id }, 'code-only', false, false);
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

  /** Of a prepared statement that was asked for before. */
  tokens(name: string): PlanTokens | undefined {
    return this.#objects.tokens(name);
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
