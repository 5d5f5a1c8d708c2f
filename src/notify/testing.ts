// What tests of notifications start from: a notice, an approval, a clock and a scheduler that stand still. Tests only.

import type { ApprovalId, SessionId, Sha256Hex, TargetName } from '../core/ids.ts';
import type { Notice } from '../core/notice.ts';
import type { Approval, Logger } from '../core/ports.ts';
import type { Channel, Delivery, Message } from './channel.ts';

export const NOW_MS = Date.UTC(2026, 10, 21, 9, 0, 0);

export const thingId = (letter: string): ApprovalId => `apr_${letter.repeat(26)}` as ApprovalId;

export function noticeOf(change: Partial<Notice> = {}): Notice {
  return {
    kind: 'approval.requested',
    id: thingId('a'),
    event: 'pending 0',
    title: 'clinic: a statement needs approval',
    facts: [
      { name: 'Who', value: 'Agent 1 (corp/agent-1, agent)' },
      { name: 'Statement', value: 'SELECT * FROM patients' },
    ],
    link: `/v1/approvals/${thingId('a')}`,
    actions: ['approve', 'deny'],
    who: 'privacy-officer',
    ...change,
  };
}

export function messageOf(change: Partial<Message> = {}): Message {
  return {
    id: `ntf_${'b'.repeat(26)}`,
    notice: noticeOf(),
    createdAtMs: NOW_MS,
    link: 'https://gate.example.com/x',
    reference: null,
    ...change,
  };
}

export function approvalOf(change: Partial<Approval> = {}): Approval {
  return {
    id: thingId('a'),
    state: 'pending',
    session: `ses_${'a'.repeat(26)}` as SessionId,
    requester: { issuer: 'corp', subject: 'agent-1', kind: 'agent', name: 'Agent 1' },
    onBehalfOf: null,
    binding: {
      principal: 'corp/agent-1',
      target: 'clinic' as TargetName,
      statementSha256: 'cd'.repeat(32) as Sha256Hex,
      parametersSha256: 'ef'.repeat(32) as Sha256Hex,
      policySha256: 'ab'.repeat(32) as Sha256Hex,
      catalogueVersion: 'v1',
      maskSetId: 'm1',
    },
    action: 'query',
    statement: 'SELECT * FROM patients WHERE ssn = $1',
    effects: ['read'],
    relations: [{ name: 'public.patients', access: 'read' }],
    outputs: [
      { name: 'ssn', classes: ['phi.ssn'], mask: 'redact' },
      { name: 'id', classes: [], mask: 'clear' },
    ],
    unbounded: true,
    rules: ['bulk-read-of-phi'],
    say: 'Ask for less.',
    approvers: { role: 'privacy-officer', count: 2 },
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 900_000,
    answers: [],
    ...change,
  };
}

export interface RecordingChannel extends Channel {
  readonly sent: Message[];
  /** What the next attempts come to; may be replaced. */
  outcome: (message: Message, signal: AbortSignal) => Delivery | Promise<Delivery>;
}

export function recordingChannel(change: Partial<Channel> = {}): RecordingChannel {
  const channel: RecordingChannel = {
    name: 'reviewers',
    kind: 'slack',
    events: null,
    roles: null,
    giveUpAfterMs: 86_400_000,
    isForPeople: true,
    ...change,
    sent: [],
    outcome: () => ({ isSent: true }),
    async send(message, signal) {
      channel.sent.push(message);
      return channel.outcome(message, signal);
    },
  };
  return channel;
}

/** Time that moves when a test says so; tasks that are due run then. */
export class ManualTime {
  nowMs = NOW_MS;
  #tasks: { atMs: number; run: () => void }[] = [];

  readonly clock = { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs };

  readonly schedule = (ms: number, run: () => void): (() => void) => {
    const task = { atMs: this.nowMs + ms, run };
    this.#tasks.push(task);
    return () => {
      this.#tasks = this.#tasks.filter((one) => one !== task);
    };
  };

  /** Delays until the tasks that wait, sorted. */
  get waits(): number[] {
    return this.#tasks.map(({ atMs }) => atMs - this.nowMs).toSorted((a, b) => a - b);
  }

  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.#tasks.filter(({ atMs }) => atMs <= this.nowMs);
    this.#tasks = this.#tasks.filter(({ atMs }) => atMs > this.nowMs);
    for (const { run } of due) run();
  }
}

export interface RecordingLogger extends Logger {
  readonly lines: { readonly level: string; readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[];
}

export function recordingLogger(): RecordingLogger {
  const lines: RecordingLogger['lines'] = [];
  const at =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void =>
      void lines.push({ level, fields, message });
  return { lines, info: at('info'), warn: at('warn'), error: at('error') };
}
