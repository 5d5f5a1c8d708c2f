// Who is asking.

export type PrincipalKind = 'person' | 'agent' | 'service';

/** One actor as an identity provider names it. */
export interface ActorRef {
  /** Name of the identity provider in `sallyport.yaml` (not its URL). */
  readonly issuer: string;
  /** The provider's subject (`sub`). */
  readonly subject: string;
  readonly kind: PrincipalKind;
}

/** A verified identity. Built by `identity/`, and by `notify/` for people whom the configuration vouches for; never from unverified
 *  input. */
export interface Principal extends ActorRef {
  /** Display only; never used in a decision. */
  readonly name: string;
  readonly groups: readonly string[];
  /** Verified scalar claims, for role membership by claim. Never logged. */
  readonly claims: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** The person an agent acts for (`act` chain), when the token says so. */
  readonly onBehalfOf: ActorRef | null;
  /** Absolute end of this identity, ms since the epoch. Sessions end then. */
  readonly expiresAtMs: number;
}

/** Stable text form for binding and comparison: `issuer/subject`. Both parts are percent-encoded. */
export function principalKey(actor: ActorRef): string {
  return `${encodeURIComponent(actor.issuer)}/${encodeURIComponent(actor.subject)}`;
}

/** Who an approval or a grant is given to: an agent for Alice is not the same agent for Bob, nor for itself. */
export function boundPrincipal(principal: ActorRef & Pick<Principal, 'onBehalfOf'>): string {
  const { onBehalfOf } = principal;
  return onBehalfOf === null ? principalKey(principal) : `${principalKey(principal)} for ${principalKey(onBehalfOf)}`;
}
