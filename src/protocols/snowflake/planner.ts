// Plans statements for one target: text, binds and session -> facts, what is forwarded, and how its columns are shown. Plans are kept by
// everything that they depend on; one that looked at what only a session has (an earlier result, a variable, a temporary table) is kept
// by nobody, and an approval of it fits nothing else.

import { createHash } from 'node:crypto';
import type { MaskSet } from '../../core/decision.ts';
import { ERROR_CODES, SallyportError } from '../../core/error.ts';
import { NO_FACTS, type Unknown } from '../../core/facts.ts';
import type { Sha256Hex } from '../../core/ids.ts';
import type { ColumnPolicy } from '../../core/ports.ts';
import { meansToken, type TokenSpace } from '../../masking/index.ts';
import type { SnowflakeParsers } from '../../sql/snowflake/parsers.ts';
import type {
  PlanContext,
  PlanInput,
  SnowflakeCatalogue,
  SnowflakeClassRule,
  SnowflakePlan,
  SnowflakeProtection,
  SnowflakeSession,
  TokenReader,
} from '../../sql/snowflake/types.ts';
import type { CatalogueLoader } from './catalogue-loader.ts';
import type { PlannedRequest, SnowflakePlanning } from './planning.ts';
import { WatchedSession } from './watched-session.ts';

/** What policy says about one target; changes with the policy version only. */
export interface SnowflakeTargetPolicy {
  /** Identifies the policy version. */
  readonly version: string;
  readonly classRules: readonly SnowflakeClassRule[];
  /** `DATABASE.SCHEMA.NAME` of user functions that the operator vouches for. */
  readonly safeFunctions: ReadonlySet<string>;
}

export interface SqlEngine {
  plan(input: PlanInput, context: PlanContext, parsers: SnowflakeParsers): SnowflakePlan;
  protect(catalogue: SnowflakeCatalogue, rules: readonly SnowflakeClassRule[], parsers: SnowflakeParsers): SnowflakeProtection;
  /** SHA-256 over tokens and constants of a text. */
  formSha256(text: string): string;
}

export interface PlannerDeps {
  readonly sql: SqlEngine;
  /** Loaded when they are needed first. */
  readonly parsers: () => Promise<SnowflakeParsers>;
  readonly policy: () => SnowflakeTargetPolicy;
  readonly loader: Pick<CatalogueLoader, 'ready' | 'current' | 'missed' | 'refresh' | 'outdate'>;
  readonly tokens: TokenSpace;
  readonly maxCachedPlans: number;
}

/** Longer texts and binds are planned anew every time. */
const maxKeyLength = 32 * 1024;

export class SnowflakePlanner implements SnowflakePlanning {
  readonly #deps: PlannerDeps;
  readonly #tokens: TokenReader;
  /** Oldest first. */
  readonly #plans = new Map<string, PlannedRequest>();
  #protection: { readonly catalogue: SnowflakeCatalogue; readonly version: string; readonly value: SnowflakeProtection } | null = null;
  #loaded: SnowflakeParsers | null = null;
  #hits = 0;
  #misses = 0;

  constructor(deps: PlannerDeps) {
    this.#deps = deps;
    this.#tokens = { meansToken, open: (className, text) => deps.tokens.open(className, text) };
  }

  get isReady(): boolean {
    return this.#deps.loader.current() !== null;
  }

  /** How plans were found so far. */
  get lookups(): { readonly texts: number; readonly shapes: number; readonly misses: number } {
    return { texts: this.#hits, shapes: 0, misses: this.#misses };
  }

  async plan(input: PlanInput, session: SnowflakeSession, masks: MaskSet): Promise<PlannedRequest> {
    const { loader } = this.#deps;
    try {
      const parsers = await this.#parsers();
      const planned = this.#find(input, session, masks, await loader.ready(), parsers);
      if (!planned.plan.facts.unknowns.some(isMissingName) || !(await loader.missed())) return planned;
      return this.#find(input, session, masks, await loader.ready(), parsers);
    } catch (fault) {
      if (!(fault instanceof SallyportError) || fault.code !== 'SP_CATALOGUE_UNAVAILABLE') throw fault;
      return blind(masks);
    }
  }

  async stillHolds({ catalogueVersion }: PlannedRequest, signal: AbortSignal): Promise<boolean> {
    await this.#deps.loader.refresh();
    signal.throwIfAborted();
    return this.#deps.loader.current()?.version === catalogueVersion;
  }

  refresh(): void {
    this.#deps.loader.outdate();
  }

  async protection(catalogue: SnowflakeCatalogue): Promise<SnowflakeProtection> {
    return this.#protectionOf(catalogue, await this.#parsers());
  }

  /** 0 before the parsers are there. */
  protectedCount(catalogue: SnowflakeCatalogue): number {
    return this.#loaded === null ? 0 : this.#protectionOf(catalogue, this.#loaded).columns.size;
  }

  async #parsers(): Promise<SnowflakeParsers> {
    return (this.#loaded ??= await this.#deps.parsers());
  }

  /** What is protected in a catalogue. Kept for the newest of both. */
  #protectionOf(catalogue: SnowflakeCatalogue, parsers: SnowflakeParsers): SnowflakeProtection {
    const { sql, policy } = this.#deps;
    const { version, classRules } = policy();
    if (this.#protection?.catalogue !== catalogue || this.#protection.version !== version) {
      this.#protection = { catalogue, version, value: sql.protect(catalogue, classRules, parsers) };
    }
    return this.#protection.value;
  }

  /** The same target under another policy, with plans of its own. */
  under({ version, classRules }: ColumnPolicy): SnowflakePlanner {
    const { policy } = this.#deps;
    return new SnowflakePlanner({ ...this.#deps, policy: () => ({ ...policy(), version, classRules }) });
  }

  #find(
    input: PlanInput,
    session: SnowflakeSession,
    masks: MaskSet,
    catalogue: SnowflakeCatalogue,
    parsers: SnowflakeParsers,
  ): PlannedRequest {
    const key = this.#keyOf(input, session, masks, catalogue);
    const kept = key === null ? undefined : this.#plans.get(key);
    if (kept !== undefined && key !== null) {
      this.#hits += 1;
      this.#plans.delete(key);
      this.#plans.set(key, kept);
      return kept;
    }
    this.#misses += 1;
    const watched = new WatchedSession(session);
    const planned = this.#make(input, watched, masks, catalogue, parsers);
    if (key !== null && !watched.hasFound && !watched.askedForResults && !opensTokens(planned, input)) {
      this.#plans.set(key, planned);
      const oldest = this.#plans.keys().next();
      if (this.#plans.size > this.#deps.maxCachedPlans && oldest.done !== true) this.#plans.delete(oldest.value);
    }
    return planned;
  }

  #make(
    input: PlanInput,
    session: WatchedSession,
    masks: MaskSet,
    catalogue: SnowflakeCatalogue,
    parsers: SnowflakeParsers,
  ): PlannedRequest {
    const { sql, policy } = this.#deps;
    const { classRules, safeFunctions } = policy();
    const protection = this.#protectionOf(catalogue, parsers);
    const context = { catalogue, protection, rules: classRules, masks, tokens: this.#tokens, session, safeFunctions };
    const plan = sql.plan(input, context, parsers);
    // Not the session itself: plans live longer.
    const { hasFound, askedForResults, database, schema } = session;
    const dependsOnSession = hasFound || askedForResults;
    const { text, statements } = input;
    const planned = {
      plan,
      protection,
      maskSetId: masks.id,
      catalogueVersion: catalogue.version,
      // Names mean something else in another schema: an approval of the same text there is another one.
      formSha256: () => (dependsOnSession ? null : sha256(JSON.stringify([sql.formSha256(text), statements, database, schema]))),
    };
    return planned;
  }

  /** Null: it is not kept, and not looked for. */
  #keyOf(input: PlanInput, { database, schema, own, variables }: SnowflakeSession, masks: MaskSet, { version }: SnowflakeCatalogue) {
    if (own.size > 0 || variables.size > 0) return null;
    // Values too: a name may be bound, and a token.
    const key = JSON.stringify([
      input.text,
      input.statements,
      input.binds,
      database,
      schema,
      masks.id,
      version,
      this.#deps.policy().version,
    ]);
    return key.length > maxKeyLength ? null : sha256(key);
  }
}

/** Values of tokens are in it: tokens expire, and values are not kept. */
function opensTokens({ plan: { forward } }: PlannedRequest, { text, binds }: PlanInput): boolean {
  return forward !== null && (forward.text !== text || forward.binds.some((bind, index) => bind !== binds[index]));
}

const isMissingName = ({ code }: Unknown): boolean => code === 'relation' || code === 'schema';

/** Without a catalogue nothing is known about a statement, and nothing is allowed. */
function blind(masks: MaskSet): PlannedRequest {
  const reason: Unknown = { code: 'catalogue', what: 'unavailable', remedy: ERROR_CODES.SP_CATALOGUE_UNAVAILABLE.remedy };
  const planned = {
    plan: { facts: { ...NO_FACTS, unknowns: [reason] }, forward: null, statements: [] },
    protection: { columns: new Map(), opaque: new Set<string>() },
    maskSetId: masks.id,
    catalogueVersion: '',
    formSha256: () => null,
  };
  return planned;
}

function sha256(text: string): Sha256Hex {
  return createHash('sha256').update(text).digest('hex') as Sha256Hex;
}
