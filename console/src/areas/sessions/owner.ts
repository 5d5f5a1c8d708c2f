import type { Viewer } from '../../session.tsx';
import type { Session } from './queries.ts';

/** Whether it is the viewer's own session, or of an agent that acts for them. The API decides; this is for what to offer. */
export function owns(
  viewer: Pick<Viewer, 'issuer' | 'subject' | 'kind'>,
  { principal, onBehalfOf }: Pick<Session, 'principal' | 'onBehalfOf'>,
) {
  return [principal, onBehalfOf].some(
    (actor) => actor !== null && actor.issuer === viewer.issuer && actor.subject === viewer.subject && actor.kind === viewer.kind,
  );
}
