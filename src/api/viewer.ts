// Who is looking: the verified principal of one API request, its roles now, and what it may see.
// Authorisation of the whole API is here, so that a route states a right and never works one out.

import type { FastifyRequest } from 'fastify';
import { SallyportError } from '../core/error.ts';
import type { Grant } from '../core/grant.ts';
import type { ActorRef, Principal } from '../core/identity.ts';
import { principalKey } from '../core/identity.ts';
import type { Approval, SessionRow } from '../core/ports.ts';
import type { ApiDeps } from './ports.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the authentication hook; null on public routes. */
    viewer: Viewer | null;
    /** Id of the log-in to the console that the request came with; null = it came with a token, or with nothing. */
    consoleSession: string | null;
  }
}

/** `oversight` = auditor or operator. */
export type Right = 'audit' | 'operate' | 'oversight';

export class Viewer {
  readonly principal: Principal;
  readonly key: string;
  readonly roles: readonly string[];
  readonly rights: ReadonlySet<Right>;

  constructor(principal: Principal, deps: Pick<ApiDeps, 'rolesOf' | 'surfaceRoles'>) {
    this.principal = principal;
    this.key = principalKey(principal);
    this.roles = deps.rolesOf(principal);
    const rights = new Set<Right>();
    if (this.#hasAny(deps.surfaceRoles.auditors)) rights.add('audit').add('oversight');
    if (this.#hasAny(deps.surfaceRoles.operators)) rights.add('operate').add('oversight');
    this.rights = rights;
  }

  #hasAny(roles: readonly string[]): boolean {
    return roles.some((role) => this.roles.includes(role));
  }

  /** @throws SP_API_FORBIDDEN */
  require(right: Right): void {
    if (!this.rights.has(right)) throw new SallyportError('SP_API_FORBIDDEN', `needs the right ${right}`);
  }

  /** The actor is this principal, or acts for it. */
  #owns(actor: ActorRef, onBehalfOf: ActorRef | null): boolean {
    return principalKey(actor) === this.key || (onBehalfOf !== null && principalKey(onBehalfOf) === this.key);
  }

  ownsSession(session: SessionRow): boolean {
    return this.#owns(session.principal, session.onBehalfOf);
  }

  maySeeSession(session: SessionRow): boolean {
    return this.rights.has('oversight') || this.ownsSession(session);
  }

  maySeeGrant(grant: Grant): boolean {
    return this.rights.has('oversight') || this.roles.includes(grant.approvers.role) || this.#owns(grant.requester, grant.onBehalfOf);
  }

  /** What a held request would do is for those who answer: its requester would learn more than the answer to it. */
  maySeePreview({ requester, onBehalfOf }: Approval): boolean {
    return !this.#owns(requester, onBehalfOf);
  }

  maySeeApproval(approval: Approval): boolean {
    return this.rights.has('audit') || this.roles.includes(approval.approvers.role) || this.#owns(approval.requester, approval.onBehalfOf);
  }
}

/** The viewer of a request on an authenticated route.
 *  @throws SP_AUTH_INVALID_TOKEN when the route was reached without one, which is a fault of ours: refuse. */
export function viewerOf(request: FastifyRequest): Viewer {
  if (request.viewer === null) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'missing');
  return request.viewer;
}

/** Options of a route that takes policy files, which may be long: the right is asked for before the body is read. */
export function takesPolicy(
  right: Right,
  maxPolicyBytes: number,
): { readonly bodyLimit: number; readonly onRequest: (request: FastifyRequest) => Promise<void> } {
  return { bodyLimit: maxPolicyBytes, onRequest: async (request) => viewerOf(request).require(right) };
}
