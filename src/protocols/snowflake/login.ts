// Log-in of a driver: its token is verified, the gate opens a session, and a session of the account is opened with the credential that
// only the gateway has. Everything up to the first of these is counted against guessing.

import { SallyportError } from '../../core/error.ts';
import { principalKey } from '../../core/identity.ts';
import type { Principal } from '../../core/identity.ts';
import type { TargetName } from '../../core/ids.ts';
import type { Target } from '../../core/target.ts';
import type { GateSession } from '../../session/gate.ts';
import { AttemptBudget } from '../../session/attempt-budget.ts';
import type { BrowserLogins } from './browser-login.ts';
import { asFault, type NativeError, nativeFault, nativeOf } from './errors.ts';
import type { LoginWishes } from './login-request.ts';
import { CODES } from './protocol.ts';
import type { SnowflakeAdapterDeps, SnowflakeTargetConfig } from './settings.ts';
import { connectSnowflake, type SnowflakeUpstream } from './upstream.ts';
import type { UpstreamHttp } from './upstream-http.ts';

export interface LoginTarget {
  readonly config: SnowflakeTargetConfig;
  readonly target: Target;
  readonly http: UpstreamHttp;
}

export interface LoginDeps extends Pick<SnowflakeAdapterDeps, 'gate' | 'authenticator' | 'failures' | 'clock'> {
  readonly browsers: BrowserLogins;
  readonly target: (name: string) => LoginTarget | undefined;
}

export interface LoggedIn {
  readonly gate: GateSession;
  readonly upstream: SnowflakeUpstream;
  readonly live: LoginTarget;
}

/** Of one principal at one address, each minute: names tell nothing, but every miss is an entry in the audit log. */
const maxTargetMisses = 20;
const budgetMs = 60_000;

export class LoginDesk {
  readonly #deps: LoginDeps;
  readonly #targetMisses: AttemptBudget;

  constructor(deps: LoginDeps) {
    this.#deps = deps;
    this.#targetMisses = new AttemptBudget({ clock: deps.clock, attempts: maxTargetMisses, windowMs: budgetMs });
  }

  /** @throws SallyportError; `refusedLogin` says it to the driver. */
  async logIn(
    wishes: LoginWishes,
    client: { readonly address: string; readonly userAgent: string },
    signal: AbortSignal,
  ): Promise<LoggedIn> {
    const principal = await this.identify(wishes, client.address, this.#deps.target(wishes.account)?.target.name ?? null, signal);
    return this.enter(principal, wishes, client, signal);
  }

  /** The same for somebody who was just identified. */
  async enter(
    principal: Principal,
    wishes: Omit<LoginWishes, 'by' | 'token' | 'proofKey' | 'user'>,
    client: { readonly address: string; readonly userAgent: string },
    signal: AbortSignal,
  ): Promise<LoggedIn> {
    const live = this.#deps.target(wishes.account);
    const gate = await this.#open(principal, wishes, client.address, live);
    let upstream: SnowflakeUpstream | null = null;
    try {
      if (live === undefined) throw new SallyportError('SP_TARGET_UNKNOWN', 'no such target');
      const { config, http } = live;
      if (wishes.role !== null && wishes.role.toUpperCase() !== config.role?.toUpperCase()) {
        throw new LoginRefusal('the role of the session is the one that the target is configured with; leave the role out');
      }
      const { appId, appVersion, environment, sessionParameters, warehouse, database, schema } = wishes;
      const queryTag = JSON.stringify({ sallyport: { principal: `${principal.issuer}/${principal.subject}`, session: gate.id } });
      upstream = await connectSnowflake(
        config,
        {
          appId,
          appVersion,
          userAgent: client.userAgent,
          environment,
          sessionParameters: { ...sessionParameters, QUERY_TAG: queryTag.slice(0, 2_000) },
          warehouse,
          database,
          schema,
        },
        { http, clock: this.#deps.clock },
        AbortSignal.any([signal, gate.ended]),
      );
      if (gate.ended.aborted) throw gate.ended.reason;
      return { gate, upstream, live };
    } catch (fault) {
      await upstream?.close();
      await gate.close('fault');
      throw fault;
    }
  }

  /** Verifies a token. Failures are recorded, and counted against the address. @throws SP_AUTH_* */
  async identify(
    wishes: Pick<LoginWishes, 'token' | 'proofKey'>,
    address: string,
    target: TargetName | null,
    signal: AbortSignal,
  ): Promise<Principal> {
    const { gate, authenticator, failures, browsers } = this.#deps;
    if (failures.waitMs(address) > 0) throw new SallyportError('SP_AUTH_THROTTLED', 'too many failed log-ins from this address');
    try {
      const token = wishes.proofKey === null ? wishes.token : browsers.redeem(wishes.token.reveal(), wishes.proofKey);
      if (token === null) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'malformed');
      return await authenticator.authenticate(token.reveal(), signal);
    } catch (fault) {
      failures.recordFailure(address);
      const isUnavailable = fault instanceof SallyportError && fault.code === 'SP_AUTH_UNAVAILABLE';
      await gate.recordAuthFailure(target, isUnavailable ? 'unavailable' : 'token', { address });
      throw fault;
    }
  }

  /** Unknown targets are told only to those whose token is good, and like those that they have no access to. */
  async #open(
    principal: Principal,
    wishes: Pick<LoginWishes, 'appId'>,
    address: string,
    live: LoginTarget | undefined,
  ): Promise<GateSession> {
    const { gate } = this.#deps;
    const who = `${principalKey(principal)} ${address}`;
    if (this.#targetMisses.isSpent(who)) throw new SallyportError('SP_AUTH_THROTTLED', 'too many log-ins to targets without access');
    try {
      if (live === undefined) {
        await gate.recordAuthFailure(null, 'unknown-target', { address });
        throw new SallyportError('SP_TARGET_UNKNOWN', 'no such target');
      }
      return await gate.openSession(principal, live.target, { address, application: wishes.appId.slice(0, 63) });
    } catch (fault) {
      if (fault instanceof SallyportError && fault.code === 'SP_TARGET_UNKNOWN') this.#targetMisses.spend(who);
      throw fault;
    }
  }
}

/** The log-in asks for something that it cannot have; the text is fixed and may be shown. */
export class LoginRefusal extends SallyportError {
  constructor(message: string) {
    super('SP_WIRE_UNSUPPORTED', message);
  }
}

/** Drivers that got their token by OAuth get another by themselves when they are told how this one failed. */
export function refusedLogin(thrown: unknown, by: LoginWishes['by'] | null): NativeError {
  const fault = asFault(thrown);
  if (fault instanceof LoginRefusal) return { ...nativeOf(fault.code), message: `sallyport: ${fault.message}.` };
  const native = nativeFault(fault, null);
  const isExpired = fault.code === 'SP_AUTH_EXPIRED' || (fault.code === 'SP_AUTH_INVALID_TOKEN' && fault.message === 'expired');
  if (by === 'oauth' && isExpired) return { ...native, code: CODES.oauthExpired };
  if (by === 'oauth' && fault.code === 'SP_AUTH_INVALID_TOKEN') return { ...native, code: CODES.oauthInvalid };
  return native;
}
