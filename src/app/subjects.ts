// The subject index of a gateway: its keys, one writer in every thread, and the search over it for the API.

import { join } from 'node:path';
import type { SubjectsSurface } from '../api/index.ts';
import { SallyportError } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import type { AuditLog, AuditReader, Clock, TargetAnalyst } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { deriveTokenKey, TokenSpace } from '../masking/index.ts';
import { findSubjectRequests, firstIndexAt } from '../reports/index.ts';
import type { Retention } from '../audit/index.ts';
import {
  columnsAt,
  dropOldFiles,
  type Epoch,
  keysOnDisk,
  noteEpoch,
  readEpochs,
  readVerdicts,
  SubjectKey,
  type SubjectNames,
  tokensMadeAt,
  SubjectWriter,
} from '../subjects/index.ts';
import type { ConfigDocument } from './config-schema.ts';
import type { TokenKeySetting } from './token-keys.ts';

const MIN_SECRET_LENGTH = 32;
/** Threads and set clocks put entries out of order by less than this. */
const DISORDER_MS = 10 * 60_000;

/** What every thread writes with. */
export interface SubjectSettings {
  readonly dir: string;
  readonly secret: Secret;
  readonly isDurable: boolean;
}

export function subjectWriterOf(
  { dir, secret, isDurable }: SubjectSettings,
  deps: { readonly thread: number; readonly clock: Clock; readonly onSubjectFault: (fault: SallyportError) => void },
): SubjectWriter {
  const { thread, clock, onSubjectFault } = deps;
  return new SubjectWriter({ dir, key: new SubjectKey(secret.reveal()), thread, clock, isDurable, onFatal: onSubjectFault });
}

const namesOf = ({ targets }: Pick<ConfigDocument, 'targets'>): SubjectNames =>
  Object.fromEntries(
    targets
      .filter(({ subjects = [] }) => subjects.length > 0)
      .map(({ name, subjects = [] }) => [name, Object.fromEntries(subjects.map((subject) => [subject.name, subject.columns]))]),
  );

/** Of token keys whose secret is there: another secret is another key, whatever it is called. */
const namesOfKeys = (tokenKeys: readonly TokenKeySetting[]): string[] =>
  tokenKeys.flatMap(({ id, secret }) => (secret.reveal() === '' ? [] : [`${id} ${new SubjectKey(secret.reveal()).id}`])).sort();

export interface OpenSubjects {
  /** Null: no target has subjects. */
  readonly settings: SubjectSettings | null;
  /** All there are, the newest first. */
  readonly keys: readonly SubjectKey[];
  readonly dir: string;
  readonly epochs: readonly Epoch[];
}

/** @param configured secrets of the configuration, the first to write with
 *  @param from log index from which on this configuration holds @throws SP_CONFIG_INVALID */
export async function openSubjects(
  document: ConfigDocument,
  configured: readonly Secret[],
  deps: { readonly dataDirectory: string; readonly from: number; readonly clock: Clock; readonly tokenKeys: readonly TokenKeySetting[] },
): Promise<OpenSubjects> {
  const dir = join(deps.dataDirectory, 'subjects');
  const targets = namesOf(document);
  const known = await readEpochs(dir);
  if (Object.keys(targets).length === 0 && known.length === 0) return { settings: null, keys: [], dir, epochs: [] };
  for (const [index, secret] of configured.entries()) {
    if (secret.reveal().length < MIN_SECRET_LENGTH)
      throw new SallyportError('SP_CONFIG_INVALID', `audit.subjectKeys[${index}]: shorter than ${MIN_SECRET_LENGTH} characters`);
  }
  const nowMs = deps.clock.nowMs();
  const onDisk = await keysOnDisk(dir, nowMs, configured.length === 0);
  const tokenKeys = namesOfKeys(deps.tokenKeys.filter(({ state }) => state !== 'expired'));
  await noteEpoch(dir, { from: deps.from, at: new Date(nowMs).toISOString(), ...(tokenKeys.length === 0 ? {} : { tokenKeys }), targets });
  const secrets = [...configured, ...onDisk.map((text) => new Secret(text))];
  const [secret] = secrets;
  const isNeeded = Object.keys(targets).length > 0 && secret !== undefined;
  return {
    settings: isNeeded ? { dir, secret, isDurable: document.audit.durability === 'durable' } : null,
    keys: secrets.map((each) => new SubjectKey(each.reveal())),
    dir,
    epochs: await readEpochs(dir),
  };
}

/** The index goes with the payloads, or with the headers where those are kept for ever. */
export function subjectRetention(dir: string, document: ConfigDocument, clock: Clock): readonly Retention[] {
  const { payloads = Infinity, headers = Infinity } = document.audit.retention ?? {};
  const keepMs = Math.min(payloads, headers);
  return Number.isFinite(keepMs) ? [{ run: () => dropOldFiles(dir, keepMs, clock.nowMs()) }] : [];
}

export function createSubjectSearch(deps: {
  readonly document: ConfigDocument;
  readonly opened: OpenSubjects;
  readonly tokenKeys: readonly TokenKeySetting[];
  /** Of the policy in force. */
  readonly classNames: () => readonly string[];
  readonly audit: Pick<AuditLog, 'append'>;
  readonly reader: AuditReader;
  readonly clock: Clock;
  readonly analysts: () => readonly Pick<TargetAnalyst, 'target' | 'relationsOf'>[];
}): SubjectsSurface {
  const { document, opened, audit, reader, clock } = deps;
  const { dir, keys, epochs } = opened;
  const haveKeys = new Set(namesOfKeys(deps.tokenKeys));
  /** Under every key that there is, also one whose tokens are refused by now. */
  const tokensFor = (target: string, value: string): string[] =>
    deps.tokenKeys
      .filter(({ secret }) => secret.reveal() !== '')
      .flatMap(({ id, secret }) => {
        const space = new TokenSpace([deriveTokenKey(id, 'active', secret.reveal(), target)]);
        return deps.classNames().map((name) => space.issue(name, value));
      });
  return {
    list: () =>
      document.targets.flatMap(({ name, subjects = [] }) =>
        subjects.map((subject) => ({ target: name, name: subject.name, columns: subject.columns })),
      ),
    async search(by, wish, signal) {
      const { target, subject, value, purpose, reason, sinceMs, limit } = wish;
      const untilMs = wish.untilMs ?? clock.nowMs();
      const columns = document.targets.find(({ name }) => name === target)?.subjects?.find(({ name }) => name === subject)?.columns;
      if (columns === undefined) throw new SallyportError('SP_SUBJECT_UNKNOWN', 'no target has such a subject');
      const from = await firstIndexAt(reader, sinceMs - DISORDER_MS, signal);
      const to = await firstIndexAt(reader, untilMs + DISORDER_MS, signal);
      const values = [value, ...tokensFor(target, value)];
      const verdicts = await readVerdicts(dir, keys, { target: target as TargetName, subject, values, sinceMs, untilMs }, signal);
      const evidence = {
        of: (session: string, n: number) => verdicts.of(session, n),
        columns,
        tokensMadeAt: (seq: number) => tokensMadeAt(epochs, seq, haveKeys),
        classNames: haveKeys.size === 0 && !epochs.some(({ tokenKeys }) => tokenKeys !== undefined) ? null : new Set(deps.classNames()),
        relations:
          (await deps
            .analysts()
            .find((each) => each.target === target)
            ?.relationsOf(subject)) ?? null,
        columnsAt: (seq: number) => columnsAt(epochs, seq, target, subject),
      };
      const found = await findSubjectRequests(
        reader,
        { target, subject, from, to, sinceMs, untilMs: wish.untilMs ?? Infinity, limit },
        evidence,
        signal,
      );
      const isSame = (each: Epoch): boolean => columns.every((column) => each.targets[target]?.[subject]?.includes(column) === true);
      const since = epochs.slice(epochs.findLastIndex((each) => !isSame(each)) + 1)[0];
      const { issuer, subject: who, kind } = by;
      // Durable before anything of it leaves.
      const seq = await audit.append(
        {
          type: 'subject.searched',
          principal: { issuer, subject: who, kind },
          ...(by.onBehalfOf === null
            ? {}
            : { onBehalfOf: { issuer: by.onBehalfOf.issuer, subject: by.onBehalfOf.subject, kind: by.onBehalfOf.kind } }),
          resource: { target },
          detail: { subject, purpose, from, to, hits: found.hitCount, unsure: found.unsureCount },
        },
        [
          {
            kind: 'justification',
            bytes: new TextEncoder().encode(JSON.stringify({ value, ...(reason === undefined ? {} : { reason }) })),
          },
        ],
        signal,
      );
      return {
        seq,
        target,
        subject,
        columns,
        entries: { from, to },
        ...found,
        indexedSince: since === undefined ? null : { seq: since.from, at: since.at },
        damaged: verdicts.damaged,
      };
    },
  };
}
