// Clicks on Approve and Deny. Slack proves that its user clicked; it does not prove who that is for us, nor a role. So a click
// counts only for people whom the configuration names: Slack user -> issuer and subject, and the groups that the operator
// vouches for. The policy in force makes roles of those groups when the click arrives, and the desk applies every rule it has
// (not the requester, role held now, once each). Everyone else answers with their own log-in.
// REFUSES: wrong or old signatures, a request that came before (across restarts), other workspaces, buttons of messages that
// are not the one we posted about that thing.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ERROR_CODES, SallyportError } from '../core/error.ts';
import { type Principal, principalKey } from '../core/identity.ts';
import type { Clock, Logger, NotificationQueue } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import type { EgressDeps } from './egress.ts';
import { ACTION_IDS, escaped } from './slack-blocks.ts';
import { callSlack, parseSlackReference, type SlackSettings } from './slack-channel.ts';
import { isFromSlack, SLACK_WINDOW_MS } from './slack-signature.ts';

/** A Slack user whom the operator vouches for. */
export interface SlackPerson {
  /** Slack's id of the user (`U...`). */
  readonly user: string;
  readonly issuer: string;
  readonly subject: string;
  /** As the identity provider would give them. */
  readonly groups: readonly string[];
}

export interface SlackAnswers {
  readonly signingSecret: Secret;
  /** Id of the workspace (`T...`). */
  readonly team: string;
  readonly people: readonly SlackPerson[];
}

/** Takes a reviewer's answer about the thing; applies every rule of its own. @throws SallyportError */
export type Answer = (id: string, principal: Principal, verdict: 'approve' | 'deny') => Promise<unknown>;

export interface SlackRequest {
  readonly timestamp: string;
  readonly signature: string;
  /** Raw, as the signature covers it. */
  readonly body: Uint8Array;
}

export interface SlackInteractionDeps extends EgressDeps {
  readonly answer: Answer;
  readonly queue: Pick<NotificationQueue, 'reference' | 'firstUse'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const payloadSchema = z.object({
  type: z.literal('block_actions'),
  user: z.object({ id: z.string(), team_id: z.string() }),
  team: z.object({ id: z.string() }),
  container: z.object({ channel_id: z.string(), message_ts: z.string() }),
  actions: z.tuple([z.object({ action_id: z.string(), value: z.string().optional() })]),
});
type Payload = z.infer<typeof payloadSchema>;

/** How long the principal made of a click lives: the answer is given at once. */
const CLICK_MS = 60_000;

export interface SlackInteractions {
  /** Resolves when the answer has taken effect or was refused; a refusal is told to the user alone.
   *  @throws SP_AUTH_INVALID_TOKEN when it is not proven to come from Slack, for the first time and now;
   *  SP_API_BAD_REQUEST when it is not understood. */
  handle(request: SlackRequest): Promise<void>;
  /** Resolves when nothing is being told any more. */
  settled(): Promise<void>;
}

export function createSlackInteractions(
  settings: SlackSettings & { readonly answers: SlackAnswers },
  deps: SlackInteractionDeps,
  stop: AbortSignal,
): SlackInteractions {
  const { name, answers } = settings;
  const people = new Map(answers.people.map((person) => [person.user, person]));
  const telling = new Set<Promise<void>>();

  /** Only the user sees it. Not waited for: Slack wants its answer within three seconds. */
  function tell({ container, user }: Payload, text: string): void {
    const body = { channel: container.channel_id, user: user.id, text: escaped(text) };
    const task = callSlack(settings, deps, 'chat.postEphemeral', body, stop).then((told) => {
      if (!told.isSent) deps.logger.warn({ channel: name, fault: told.fault }, 'a Slack user could not be told about their answer');
    });
    telling.add(task);
    void task.finally(() => telling.delete(task));
  }

  async function answer(payload: Payload, verdict: 'approve' | 'deny', id: string): Promise<void> {
    const person = people.get(payload.user.id);
    const isOurTeam = payload.team.id === answers.team && payload.user.team_id === answers.team;
    if (person === undefined || !isOurTeam) {
      deps.logger.warn({ channel: name, user: logged(payload.user.id) }, 'a Slack user who is not configured tried to answer');
      return tell(payload, 'You cannot answer from Slack. Answer with your own log-in instead.');
    }
    const reference = parseSlackReference((await deps.queue.reference(name, id)) ?? '');
    if (reference?.channel !== payload.container.channel_id || reference.ts !== payload.container.message_ts) {
      return tell(payload, 'This message is not the current one about this request. Answer with your own log-in instead.');
    }
    const principal = principalOf(person, deps.clock.nowMs());
    try {
      await deps.answer(id, principal, verdict);
      deps.logger.info({ channel: name, thing: id, verdict, principal: principalKey(principal) }, 'answered from Slack');
    } catch (fault) {
      if (!(fault instanceof SallyportError)) throw fault;
      deps.logger.warn(
        { channel: name, thing: id, code: fault.code, principal: principalKey(principal) },
        'an answer from Slack was refused',
      );
      const { text, remedy } = ERROR_CODES[fault.code];
      tell(payload, `Not counted: ${text}. ${remedy}`);
    }
  }

  return {
    async handle(request) {
      const nowMs = deps.clock.nowMs();
      if (!isFromSlack(answers.signingSecret, request, nowMs)) {
        throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'the signature of a Slack request is not valid now');
      }
      const payload = parsePayload(request.body);
      const key = `slack ${name} ${createHash('sha256').update(request.signature).digest('hex')}`;
      if (!(await deps.queue.firstUse(key, nowMs, nowMs + 2 * SLACK_WINDOW_MS + 1))) {
        throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'a Slack request came a second time');
      }
      const [{ action_id: action, value }] = payload.actions;
      if (action === ACTION_IDS.open) return;
      const verdict = action === ACTION_IDS.approve ? 'approve' : action === ACTION_IDS.deny ? 'deny' : null;
      if (verdict === null || value === undefined || !/^[a-z]{3}_[a-z2-7]{26}$/.test(value)) {
        throw new SallyportError('SP_API_BAD_REQUEST', 'a Slack request has an action that is not ours');
      }
      await answer(payload, verdict, value);
    },

    async settled() {
      await Promise.all(telling);
    },
  };
}

/** The operator's word stands in for a token; what the policy makes of the groups is decided when the answer arrives. */
function principalOf({ issuer, subject, groups }: SlackPerson, nowMs: number): Principal {
  return { issuer, subject, kind: 'person', name: subject, groups, claims: {}, onBehalfOf: null, expiresAtMs: nowMs + CLICK_MS };
}

function parsePayload(body: Uint8Array): Payload {
  try {
    const forms = new URLSearchParams(new TextDecoder('utf-8', { fatal: true }).decode(body)).getAll('payload');
    if (forms.length === 1) return payloadSchema.parse(JSON.parse(forms[0] ?? ''));
  } catch {
    // Nothing of it is repeated: the message below is for our log.
  }
  throw new SallyportError('SP_API_BAD_REQUEST', 'a Slack request is not understood');
}

const logged = (id: string): string => (/^[A-Z0-9]{1,30}$/.test(id) ? id : '(not an id)');
