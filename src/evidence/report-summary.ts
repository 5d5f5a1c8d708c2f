// The first page of the report: what happened in one sentence, in eight numbers, and what somebody should look at.

import type { Findings } from './derive.ts';
import { actorName } from './fields.ts';
import { type Block, code, heading, paragraph, type Text } from './report-model.ts';
import { ranked } from './totals.ts';
import { counted, durationText, grouped, timeText } from './words.ts';

const MAX_NAMES = 8;
/** Heartbeats come every 60 seconds. */
const SILENCE_MS = 150_000;

export function summary(findings: Findings): Block[] {
  const { totals, identities, samples } = findings;
  const uses = identities.uses();
  const people = new Set(uses.map(({ actor }) => `${actor.kind} ${actorName(actor)}`));
  const [run, held, denied] = [totals.of('request.intent'), totals.of('request.held'), totals.of('request.denied')];
  const sentence =
    uses.length === 0
      ? 'Nobody used the gateway in this range.'
      : `${counted(people.size, 'identity', 'identities')} opened ${counted(totals.of('session.open'), 'session')}. ${counted(run, 'request')} ran and returned ${counted(totals.rows, 'row')}; ${grouped(held)} waited for the approval of a person; ${grouped(denied)} were denied.`;
  const tiles: [string, string][] = [
    [grouped(run), 'requests run'],
    [grouped(held), 'held for approval'],
    [grouped(denied), 'denied'],
    [grouped(totals.rows), 'rows returned'],
    [grouped(people.size), people.size === 1 ? 'identity' : 'identities'],
    [grouped(totals.of('session.open')), 'sessions'],
    [grouped(totals.of('breakglass.opened')), 'emergency accesses'],
    [grouped(totals.of('auth.fail')), 'failed log-ins'],
  ];
  const median = totals.waits[Math.floor(totals.waits.length / 2)];
  const decided = median === undefined ? '' : ` Half of the questions were decided within ${durationText(median)}.`;
  const approved = totals.verdicts.get('approve') ?? 0;
  const refused = totals.verdicts.get('deny') ?? 0;
  const items: Text[] = [
    `Held requests: ${counted(approved, 'answer')} approved, ${counted(refused, 'answer')} denied, ${counted(totals.of('approval.expired'), 'question')} closed without an answer.${decided}`,
    `Grants: ${grouped(totals.of('grant.requested'))} asked for, ${grouped(totals.of('grant.opened'))} opened, ${grouped(totals.of('grant.ended'))} ended.`,
    `Changes: ${counted(totals.writes, 'request')} that ran could change data.`,
    `Policy: ${counted(totals.policies.size, 'version')} decided; ${counted(totals.of('policy.applied'), 'time')} a version was put into force.`,
    `Reviews: ${grouped(totals.of('review.signed'))} signed.`,
    `Sealed payloads: ${grouped(samples.sealedPayloads)} named; ${counted(totals.of('payload.unsealed'), 'time')} one was handed out, ${counted(totals.of('payload.shredded'), 'time')} keys were destroyed.`,
  ];
  return [
    heading(2, 'Summary'),
    paragraph(sentence),
    { kind: 'tiles', tiles },
    { kind: 'list', items },
    heading(3, 'Worth a look'),
    ...worthALook(findings),
  ];
}

/** What an auditor would ask about first. Not a verdict: most of it has good reasons. */
function worthALook({ totals, identities, coverage }: Findings): Block[] {
  const items: Text[] = [];
  const add = (isSo: boolean, text: string, file: string): void => {
    if (isSo) items.push([`${text} `, code(file)]);
  };
  const seen = identities.uses().filter(({ clear }) => clear.size > 0);
  const classes = new Set(seen.flatMap(({ clear }) => [...clear]));
  const viewers = new Set(seen.map(({ actor }) => actorName(actor)));
  add(classes.size > 0, `Protected data was shown unmasked: ${someOf(classes)}, to ${someOf(viewers)}.`, 'records/access_by_identity.csv');
  const emergencies = totals.of('breakglass.opened');
  const reviewed = totals.of('breakglass.reviewed');
  add(
    emergencies + reviewed > 0,
    `${counted(emergencies, 'emergency access was', 'emergency accesses were')} opened without asking, ${grouped(reviewed)} reviewed.`,
    'records/breakglass.csv',
  );
  const failed = totals.of('auth.fail');
  add(failed > 0, `${counted(failed, 'log-in')} failed.`, 'records/auth.csv');
  const alarms = ranked(totals.alarms).map(([name, count]) => `${name} (${grouped(count)})`);
  add(alarms.length > 0, `Alarms: ${someOf(alarms)}.`, 'records/operations.csv');
  const locks = totals.of('lock.set');
  add(locks > 0, `${counted(locks, 'lock was', 'locks were')} set.`, 'records/operations.csv');
  const silent = coverage.gateways().filter(([, { longestSilenceMs }]) => longestSilenceMs > SILENCE_MS);
  for (const [name, { longestSilenceMs, silenceUntil }] of silent.slice(0, MAX_NAMES)) {
    add(
      true,
      `The gateway ${name} was silent for ${durationText(longestSilenceMs)}, until ${timeText(silenceUntil)}.`,
      'records/coverage.csv',
    );
  }
  const crashes = coverage.gateways().reduce((sum, [, gateway]) => sum + gateway.crashes, 0);
  add(crashes > 0, `${counted(crashes, 'start')} of a gateway came after a crash.`, 'records/coverage.csv');
  const { count, mostMs } = totals.backwards;
  add(count > 0, `The clock of a gateway went back ${counted(count, 'time')}, by ${durationText(mostMs)} at most.`, 'records/coverage.csv');
  add(totals.of('review.signed') === 0, 'Nobody signed a review of the records.', 'records/reviews.csv');
  return [items.length === 0 ? paragraph('Nothing that stands out.') : { kind: 'list', tone: 'caution', items }];
}

function someOf(names: ReadonlySet<string> | readonly string[]): string {
  const all = [...names];
  const shown = (Array.isArray(names) ? all : all.toSorted()).slice(0, MAX_NAMES).join(', ');
  return all.length > MAX_NAMES ? `${shown} and ${grouped(all.length - MAX_NAMES)} more` : shown;
}
