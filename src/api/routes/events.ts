// Live changes. The rules of the lists decide what each viewer is told: approvals, grants and sessions they may see; locks with
// oversight, the log's size with the right to read it. The hash of the policy in force is for everybody.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import type { ApprovalId } from '../../core/ids.ts';
import type { ApiApp } from '../app.ts';
import type { EventBroker, ViewOf } from '../event-broker.ts';
import { grantSchema, grantView } from '../grant-views.ts';
import type { ApiDeps, ApiChange } from '../ports.ts';
import { approvalSchema, approvalView, sessionSchema, sessionView } from '../views.ts';
import type { Right } from '../viewer.ts';
import { maySeeApproval, maySeeGrant } from '../visibility.ts';

const tags = ['events'];

export function eventRoutes(app: ApiApp, deps: ApiDeps, broker: EventBroker): void {
  const stops = [
    // By its id alone: what is kept of thousands of changes holds none of their statements.
    deps.approvals.subscribe(({ id }) => broker.publish('approval', id, () => viewOfApproval(id))),
    deps.changes.subscribe((change) => broker.publish(change.kind, thingOf(change), async () => viewOf(change))),
  ];
  app.addHook('onClose', async () => stops.forEach((stop) => stop()));

  async function viewOfApproval(id: ApprovalId): Promise<ViewOf | null> {
    const { approvals } = deps;
    const approval = await approvals.show(id);
    if (approval === null) return null;
    return (viewer) => {
      if (maySeeApproval(approval, viewer, deps)) return approvalSchema.parse(approvalView(approval, viewer, approvals));
      // Who could answer it by a right that was lent saw it for so long: that it is settled is all they are told.
      return approvals.mayAnswer({ ...approval, state: 'pending' }, viewer.principal) ? { id, state: approval.state } : null;
    };
  }

  async function viewOf(change: ApiChange): Promise<ViewOf | null> {
    switch (change.kind) {
      case 'grant': {
        const grant = await deps.grants.show(change.id);
        return grant && ((viewer) => (maySeeGrant(grant, viewer, deps) ? grantSchema.parse(grantView(grant, viewer, deps.grants)) : null));
      }
      case 'session': {
        const session = await deps.sessions.get(change.id);
        return session && ((viewer) => (viewer.maySeeSession(session) ? sessionSchema.parse(sessionView(session)) : null));
      }
      case 'policy':
        return () => ({ sha256: change.sha256 });
      case 'lock':
        return withRight('oversight', { kind: change.lock.kind, name: change.lock.name, state: change.state });
      case 'log':
        return withRight('audit', { size: change.size });
    }
  }

  app.get(
    '/v1/events',
    {
      schema: {
        tags,
        summary:
          'Server-sent events: approval, grant, session, policy, log, lock; resumed by Last-Event-ID; `reset` = read everything again',
      },
    },
    async (request, reply) => broker.open(request, reply, null),
  );

  app.get(
    '/v1/approvals/events',
    { schema: { tags: ['approvals'], summary: 'Server-sent events: `approval` with the new state after every change' } },
    async (request, reply) => broker.open(request, reply, ['approval']),
  );
}

function thingOf(change: ApiChange): string {
  if (change.kind === 'grant' || change.kind === 'session') return change.id;
  return change.kind === 'lock' ? `${change.lock.kind} ${change.lock.name}` : '';
}

function withRight(right: Right, data: object): ViewOf {
  return ({ rights }) => (rights.has(right) ? data : null);
}
