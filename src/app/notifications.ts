// Notification channels from the configuration: secrets and certificates are read before anything starts, and a wrong one
// refuses to start; then channels, queue and clicks are put together.

import type { Counter as CounterType, Registry } from 'prom-client';
import { Counter } from 'prom-client';
import type { NotificationsSurface } from '../api/index.ts';
import type { ApprovalsService } from '../approvals/index.ts';
import { SallyportError } from '../core/error.ts';
import type { ApprovalId, GrantId } from '../core/ids.ts';
import type { Clock, Logger, NotificationQueue, Random } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import type { GrantsService } from '../grants/index.ts';
import {
  type ApprovalChanges,
  type Answer,
  catchUpApprovals,
  type Channel,
  createEmailChannel,
  createNotifications,
  createSlackChannel,
  createSlackInteractions,
  createTeamsChannel,
  createWebhookChannel,
  type EgressRules,
  type NotificationsService,
  type SlackAnswers,
  type SlackInteractions,
  type SlackSettings,
  systemEgress,
  tellApprovals,
  urlFault,
  webhookKeys,
} from '../notify/index.ts';
import { type LoadedConfig, readCa } from './config.ts';
import { createMailer } from './mailer.ts';
import type { NotificationChannelConfig } from './notifications-schema.ts';
import { readGauge } from './read-metrics.ts';
import { VERSION } from './version.ts';

type ReadSecret = (source: { env: string } | { file: string } | { command: string[] }) => Promise<Secret>;

/** One channel, ready to be used. */
export interface ConfiguredChannel {
  readonly channel: Channel;
  /** Takes answers by button. */
  readonly slack: (SlackSettings & { readonly answers: SlackAnswers }) | null;
}

/** @param knownRoles of the policy. @throws SP_CONFIG_INVALID, without any secret in it. */
export async function readChannels(
  config: LoadedConfig,
  deps: { readonly secret: ReadSecret; readonly knownRoles: readonly string[]; readonly clock: Clock },
): Promise<readonly ConfiguredChannel[]> {
  const channels: ConfiguredChannel[] = [];
  for (const item of config.document.notifications) {
    const unknown = item.roles?.find((role) => !deps.knownRoles.includes(role));
    if (unknown !== undefined) throw refused(item, `the policy has no role ${unknown}`);
    channels.push(await readChannel(item, config, deps));
  }
  return channels;
}

async function readChannel(
  item: NotificationChannelConfig,
  config: LoadedConfig,
  { secret, clock }: { readonly secret: ReadSecret; readonly clock: Clock },
): Promise<ConfiguredChannel> {
  const rules: EgressRules = {
    allowPrivate: item.allowPrivate,
    insecure: item.insecure === true,
    ca: item.ca === undefined ? null : await readCa(config.path(item.ca), `notifications: ${item.name}: ca`),
  };
  const { name, giveUpAfterMs } = item;
  const common = { name, events: item.events ?? null, roles: item.roles ?? null, giveUpAfterMs, rules };
  switch (item.kind) {
    case 'slack': {
      const token = await secret(item.token);
      // It becomes a header.
      if (!/^[\x21-\x7e]+$/.test(token.reveal())) throw refused(item, 'token: it holds characters that no token has');
      const answers = item.answers;
      const settings: SlackSettings = {
        ...common,
        url: new URL(item.url),
        token,
        channel: item.channel,
        hasButtons: answers !== undefined,
      };
      return {
        channel: createSlackChannel(settings, systemEgress),
        slack:
          answers === undefined
            ? null
            : {
                ...settings,
                answers: { signingSecret: await secret(answers.signingSecret), team: answers.team, people: answers.people },
              },
      };
    }
    case 'teams': {
      const url = await secret(item.url);
      const parsed = URL.parse(url.reveal());
      const fault = parsed === null ? 'it is not a URL' : urlFault(parsed, rules);
      if (fault !== null) throw refused(item, `url: ${fault}`);
      return { channel: createTeamsChannel({ ...common, url }, systemEgress), slack: null };
    }
    case 'webhook': {
      const keys = keysOf(item, await secret(item.secret));
      const deps = { ...systemEgress, clock, version: VERSION };
      return { channel: createWebhookChannel({ ...common, url: new URL(item.url), keys }, deps), slack: null };
    }
    case 'email': {
      const login = item.login === undefined ? null : { user: item.login.user, password: await secret(item.login.password) };
      const sendMail = createMailer({ host: item.host, port: item.port, tls: item.tls, rules, login }, systemEgress);
      return { channel: createEmailChannel({ ...common, from: item.from, to: item.to }, { sendMail }), slack: null };
    }
  }
}

function refused({ name }: NotificationChannelConfig, what: string, cause?: unknown): SallyportError {
  return new SallyportError('SP_CONFIG_INVALID', `notifications: ${name}: ${what}`, { cause });
}

function keysOf(item: NotificationChannelConfig, secret: Secret): readonly Secret[] {
  const keys = webhookKeys(secret);
  if (keys === null) throw refused(item, 'secret: expected whsec_<base64 of 24 to 64 bytes>; several are separated by white space');
  return keys;
}

export interface NotificationsDeps {
  readonly channels: readonly ConfiguredChannel[];
  readonly publicUrl: string | undefined;
  readonly queue: NotificationQueue;
  readonly approvals: ApprovalChanges & Pick<ApprovalsService, 'answer'>;
  readonly grants: Pick<GrantsService, 'answer'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Notifications {
  readonly service: NotificationsService;
  readonly surface: NotificationsSurface;
  /** Takes up what an earlier process left; call it after the approvals have recovered. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** From here on every change of an approval is told. */
export function createGatewayNotifications(deps: NotificationsDeps, registry: Registry): Notifications {
  const { queue, approvals, clock, random, logger } = deps;
  const counter: CounterType<'channel' | 'outcome'> = new Counter({
    name: 'sallyport_notifications_total',
    help: 'Notifications by what became of an attempt: sent, retried, failed = given up, superseded = a newer one was sent instead, dropped = the queue was full',
    labelNames: ['channel', 'outcome'],
    registers: [registry],
  });
  const service = createNotifications({
    channels: deps.channels.map(({ channel }) => channel),
    queue,
    clock,
    random,
    logger,
    metrics: { counted: (channel, outcome) => counter.inc({ channel, outcome }) },
    publicUrl: deps.publicUrl?.replace(/\/+$/, '') ?? null,
  });
  const queued = { name: 'sallyport_notifications_queued', help: 'Notifications that wait to be sent', labelNames: ['channel'] } as const;
  readGauge(registry, queued, async (gauge) => {
    // All other metrics are wanted most when the store cannot be used.
    for (const each of await service.channels().catch(() => [])) gauge.set({ channel: each.name }, each.queued);
  });
  const unsubscribe = tellApprovals(approvals, service);
  const stopping = new AbortController();
  /** What people can be asked about, told apart by the id. */
  const answer: Answer = (id, principal, verdict) => {
    if (id.startsWith('apr_')) return approvals.answer(id as ApprovalId, principal, verdict, undefined, undefined, 'slack');
    if (id.startsWith('grt_')) return deps.grants.answer(id as GrantId, principal, verdict, undefined, 'slack');
    throw new SallyportError('SP_APPROVAL_NOT_FOUND', 'not the id of something that is answered');
  };
  const interactions = new Map<string, SlackInteractions>();
  for (const { slack } of deps.channels) {
    if (slack === null) continue;
    const parts = { ...systemEgress, answer, queue, clock, logger };
    interactions.set(slack.name, createSlackInteractions(slack, parts, stopping.signal));
  }
  let catchingUp: Promise<void> = Promise.resolve();
  return {
    service,
    surface: {
      channels: () => service.channels(),
      list: (filter) => service.list(filter),
      test: (name, signal) => service.test(name, signal),
      slack: async (name, request) => {
        const found = interactions.get(name);
        // Like a wrong signature: names of channels cannot be guessed from outside.
        if (found === undefined) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'no Slack channel with buttons has this name');
        await found.handle(request);
      },
    },
    async start() {
      await service.start();
      catchingUp = catchUpApprovals(approvals, service).catch((fault: unknown) => {
        const code = fault instanceof SallyportError ? fault.code : 'SP_INTERNAL';
        logger.error({ code }, 'what happened to approvals before the start may not have been told');
      });
    },
    async stop() {
      unsubscribe();
      stopping.abort();
      await catchingUp;
      await service.stop();
      await Promise.all([...interactions.values()].map((one) => one.settled()));
    },
  };
}
