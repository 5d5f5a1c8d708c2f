// Grants, locks and delegations of this gateway: the services, the watch over their store, and the table that the main thread's
// gate reads. Workers get the same content by message (worker-messages.ts).

import type { Registry } from 'prom-client';
import type { ApprovalsService } from '../approvals/index.ts';
import { SallyportError } from '../core/error.ts';
import type { AccessSnapshot, Lock } from '../core/grant.ts';
import { principalKey } from '../core/identity.ts';
import type { GrantId, TargetName } from '../core/ids.ts';
import type { Notifier } from '../core/notice.ts';
import type { AuditLog, Clock, Logger, Random } from '../core/ports.ts';
import {
  type AccessStores,
  AccessWatch,
  type AuthoritiesOf,
  createAuthorities,
  createDelegations,
  createGrants,
  createLocks,
  createRecertification,
  type DelegationsService,
  type Escalation,
  type GrantPolicy,
  type GrantsService,
  type LocksService,
  POLL_MS,
  type RecertificationService,
} from '../grants/index.ts';
import { isOffered, offersOf, type Policy, rolesOf } from '../policy/index.ts';
import { AccessTable } from '../session/access-table.ts';
import { RowBudgets } from '../session/row-budgets.ts';
import type { ConfigDocument } from './config-schema.ts';
import { lastUses, type LastUsesDeps } from './last-uses.ts';
import { readGauge } from './read-metrics.ts';

export interface GatewayAccessDeps {
  readonly document: ConfigDocument;
  readonly store: AccessStores;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly policy: () => Policy;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly uses: LastUsesDeps;
  /** What is there only after this is made. */
  readonly later: {
    readonly notifier: () => Notifier;
    readonly approvals: () => Pick<ApprovalsService, 'voidAll'>;
    /** A grant is another than it was. */
    readonly grantChanged: (id: GrantId) => void;
    /** Tells the workers; never rejects. */
    readonly publish: (snapshot: AccessSnapshot) => Promise<void>;
  };
}

export interface GatewayAccess {
  /** Of the main thread. */
  readonly table: AccessTable;
  readonly authoritiesOf: AuthoritiesOf;
  readonly grants: GrantsService;
  readonly locks: LocksService;
  readonly delegations: DelegationsService;
  readonly recertification: RecertificationService;
  /** Call once the workers run and before the first client. @throws SP_STORE_UNAVAILABLE */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws SP_CONFIG_INVALID */
export function createGatewayAccess(deps: GatewayAccessDeps): GatewayAccess {
  const { document, store, audit, clock, random, logger, later } = deps;
  const table = new AccessTable({ clock });
  const budgets = new RowBudgets(clock);
  const watch = new AccessWatch({
    ...store,
    clock,
    logger,
    async publish(known) {
      const snapshot = budgets.attach(known);
      table.replace(snapshot);
      await later.publish(snapshot);
    },
  });
  // There is a notice of every change of a grant, once the change has taken effect.
  const notifier: Notifier = {
    notify(notice) {
      later.notifier().notify(notice);
      if (notice.id.startsWith('grt_')) later.grantChanged(notice.id as GrantId);
    },
  };
  const escalation = escalationOf(document, deps.policy());
  const rolesNow = (principal: Parameters<typeof rolesOf>[0]): readonly string[] => rolesOf(principal, deps.policy());
  const authoritiesOf = createAuthorities({ known: () => watch.known, rolesOf: rolesNow, escalation, clock });
  const targets = new Set(document.targets.map(({ name }) => name));
  const issuers = new Set(document.identity.providers.map(({ name }) => name));
  const common = { watch, audit, clock, random, logger, notifier, rolesOf: rolesNow };
  const grants = createGrants({
    ...common,
    store: store.grants,
    policy: () => grantPolicyOf(deps.policy(), targets),
    authoritiesOf,
    escalation,
    answerMs: document.grants.answerMs,
  });
  const locks = createLocks({
    ...common,
    store: store.locks,
    exists(kind, name) {
      if (kind === 'target') return targets.has(name);
      if (kind === 'role') return deps.policy().roles.some(({ role }) => role === name);
      return issuers.has(issuerOf(name) ?? '');
    },
    voidApprovals: (lock) => later.approvals().voidAll('locked', concernedBy(lock)),
  });
  const delegations = createDelegations({
    ...common,
    store: store.delegations,
    isApproverRole: (role) => approverRoles(deps.policy()).has(role) || role === escalation?.role,
    isIssuer: (issuer) => issuers.has(issuer),
  });
  const recertification = createRecertification({
    ...common,
    grants,
    policySha256: () => deps.policy().sha256,
    uses: () => lastUses(deps.policy(), deps.uses),
  });
  registerMetrics(deps.registry, watch);

  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> = Promise.resolve();
  return {
    table,
    authoritiesOf,
    grants,
    locks,
    delegations,
    recertification,
    async start() {
      await watch.refresh();
      await grants.tick();
      let isRunning = false;
      timer = setInterval(() => {
        budgets.tick();
        if (isRunning) return;
        isRunning = true;
        turn = watch
          .poll()
          .then(() => grants.tick())
          .catch((fault: unknown) => {
            const code = fault instanceof SallyportError ? fault.code : 'SP_INTERNAL';
            logger.error({ code }, 'grants could not be looked at');
          })
          .finally(() => {
            isRunning = false;
          });
      }, POLL_MS);
      timer.unref();
    },
    async stop() {
      clearInterval(timer);
      await turn;
    },
  };
}

/** @throws SP_CONFIG_INVALID */
function escalationOf({ grants }: ConfigDocument, policy: Policy): Escalation | null {
  if (grants.escalation === undefined) return null;
  const { role, afterMs, quietHours } = grants.escalation;
  if (!policy.roles.some((each) => each.role === role)) {
    throw new SallyportError('SP_CONFIG_INVALID', `grants.escalation.role: the policy has no role ${role}`);
  }
  return { role, afterMs, quietHours: quietHours ?? null };
}

function grantPolicyOf(policy: Policy, targets: ReadonlySet<string>): GrantPolicy {
  return {
    sha256: policy.sha256,
    rolesOf: (principal) => rolesOf(principal, policy),
    offersOf: (principal, target) => (targets.has(target) ? offersOf(principal, target, policy) : []),
    isOffered: (grant, asked) => targets.has(grant.target) && isOffered(grant, grant.target, policy, asked),
  };
}

/** Roles that the policy asks for an answer or a review. */
function approverRoles({ rules, access, predicates }: Policy): ReadonlySet<string> {
  return new Set([
    ...rules.flatMap(({ approvers }) => approvers?.role ?? []),
    ...access.flatMap(({ how }) => (how.kind === 'standing' ? [] : how.approvers.role)),
    ...[...predicates.values()].flatMap(({ hold }) => hold?.approvers.role ?? []),
  ]);
}

/** Of `issuer/subject` with both parts percent-encoded; null when it is not that. */
function issuerOf(name: string): string | null {
  const [issuer, subject, ...rest] = name.split('/');
  if (issuer === undefined || subject === undefined || subject === '' || rest.length > 0) return null;
  try {
    const actor = { issuer: decodeURIComponent(issuer), subject: decodeURIComponent(subject), kind: 'person' as const };
    // One spelling only: a lock of another one would stand and lock nobody.
    return principalKey(actor) === name ? actor.issuer : null;
  } catch {
    return null;
  }
}

/** Which open approvals a lock ends. A role's members are not known from an approval: all of them. */
function concernedBy({ kind, name }: Pick<Lock, 'kind' | 'name'>): NonNullable<Parameters<ApprovalsService['voidAll']>[1]> {
  return ({ binding, requester, onBehalfOf }) =>
    kind === 'role' ||
    (kind === 'target' && binding.target === (name as TargetName)) ||
    (kind === 'principal' && (principalKey(requester) === name || (onBehalfOf !== null && principalKey(onBehalfOf) === name)));
}

function registerMetrics(registry: Registry, watch: AccessWatch): void {
  const help = 'Grants by state: requested = waits for answers, active = in force';
  readGauge(registry, { name: 'sallyport_grants', help, labelNames: ['state'] }, (gauge) => {
    for (const state of ['requested', 'active'] as const) {
      gauge.set({ state }, watch.known.grants.filter((grant) => grant.state === state).length);
    }
  });
  readGauge(registry, { name: 'sallyport_locks', help: 'Locks that stand' }, (gauge) => gauge.set(watch.known.locks.length));
  const known = '1 = the store of grants answers; 0 = grants are suspended';
  readGauge(registry, { name: 'sallyport_access_known', help: known }, (gauge) => gauge.set(watch.known.isKnown ? 1 : 0));
}
