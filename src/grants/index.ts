// Grants, locks and delegations, as the root composes them.

export { type AccessStores, AccessWatch, POLL_MS } from './access-watch.ts';
export { type AuthoritiesOf, createAuthorities } from './authority.ts';
export { createDelegations, type DelegationsService } from './delegations.ts';
export { type Escalation } from './escalation.ts';
export { createGrants, type GrantPolicy, type GrantsService } from './grants.ts';
export { createLocks, type LocksService } from './locks.ts';
export { type AccessUses, createRecertification, type LastUse, type RecertificationService, type StandingUse } from './recertification.ts';
