// A live session that a person ends: it is told to on whatever thread it lives, and the log says who did it.

import { SallyportError } from '../core/error.ts';
import type { Principal } from '../core/identity.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { AuditLog } from '../core/ports.ts';

/** What its client is told. */
export function endedByPerson(): SallyportError {
  return new SallyportError('SP_SESSION_ENDED', 'the session was ended by a person');
}

export interface SessionControlDeps {
  /** Of one thread each. */
  readonly threads: readonly ((id: SessionId) => boolean | Promise<boolean>)[];
  readonly audit: Pick<AuditLog, 'append'>;
}

export interface SessionControl {
  /** As with locks, it takes effect before it is recorded: `session.ended` by whom, and the session's own `session.close`.
   *  @param reason free text; goes to sealed storage only
   *  @returns false when it is over already: nothing is recorded
   *  @throws SP_AUDIT_UNWRITABLE, SP_INTERNAL when a thread does not answer */
  readonly end: (session: { readonly id: SessionId; readonly target: TargetName }, by: Principal, reason?: string) => Promise<boolean>;
}

export function createSessionControl({ threads, audit }: SessionControlDeps): SessionControl {
  return {
    end: async ({ id, target }, { issuer, subject, kind }, reason) => {
      const told = await Promise.all(threads.map(async (end) => end(id)));
      if (!told.includes(true)) return false;
      await audit.append(
        { type: 'session.ended', principal: { issuer, subject, kind }, session: id, resource: { target } },
        reason === undefined ? [] : [{ kind: 'justification', bytes: new TextEncoder().encode(reason) }],
      );
      return true;
    },
  };
}
