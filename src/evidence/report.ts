// The report: what happened in the range, for people. Every number is derived from the log. It says what; html.ts and report-pdf.ts say how.

import type { Controls } from './controls.ts';
import type { Findings } from './derive.ts';
import { actorName } from './fields.ts';
import { plotOf } from './plots.ts';
import { type Block, cell, code, heading, none, paragraph, type Report, soft, strong, type Text } from './report-model.ts';
import { summary } from './report-summary.ts';
import { approvalStory, grantStory } from './stories.ts';
import { ranked } from './totals.ts';
import { counted, durationText, grouped, timeText, wordsOf } from './words.ts';

const MAX_ROWS = 20;

export function reportOf(findings: Findings, controls: Controls): Report {
  const { scope } = findings;
  return {
    name: `Evidence report ${scope.origin}`,
    title: 'Access to protected data: evidence report',
    blocks: [
      {
        kind: 'paragraph',
        tone: 'lead',
        text: `What passed the gateway from ${timeText(scope.from)} to ${timeText(scope.to)} UTC, from its signed audit log.`,
      },
      about(findings),
      ...summary(findings),
      ...overTime(findings),
      ...identities(findings),
      ...protectedData(findings),
      ...refusals(findings),
      ...stories(findings),
      ...coverage(findings),
      ...controlMap(controls),
      ...limits(findings),
    ],
  };
}

function about({ scope, totals }: Findings): Block {
  const { principal, target } = scope;
  const rows: [string, Text][] = [
    ['Log', [code(scope.origin)]],
    ['Range', `${timeText(scope.from)} to ${timeText(scope.to)} UTC`],
    [
      'Entries',
      scope.end === scope.first
        ? 'none in the range'
        : `${grouped(scope.end - scope.first)}: index ${grouped(scope.first)} to ${grouped(scope.end - 1)} of a log of ${grouped(scope.size)}`,
    ],
    ['Root', [code(scope.root)]],
  ];
  if (principal !== null) rows.push(['Only', ['principal ', code(`${principal.issuer}/${principal.subject}`)]]);
  if (target !== null) rows.push(['Only', ['target ', code(target)]]);
  if (principal !== null || target !== null) rows.push(['Told here', counted(totals.entries, 'entry', 'entries')]);
  return { kind: 'facts', rows };
}

function overTime({ totals }: Findings): Block[] {
  const { buckets, bucketMs } = totals;
  return [
    heading(2, 'Over time'),
    {
      kind: 'plot',
      plot: plotOf('Requests', buckets, bucketMs, [
        { kind: 'run', label: 'run', value: ({ run }) => run },
        { kind: 'held', label: 'held for approval', value: ({ held }) => held },
        { kind: 'denied', label: 'denied', value: ({ denied }) => denied },
      ]),
    },
    { kind: 'plot', plot: plotOf('Rows returned', buckets, bucketMs, [{ kind: 'rows', label: 'rows', value: ({ rows }) => rows }]) },
    {
      kind: 'plot',
      plot: plotOf('Failed log-ins', buckets, bucketMs, [
        { kind: 'denied', label: 'failed log-ins', value: ({ failedLogins }) => failedLogins },
      ]),
    },
  ];
}

function identities({ identities: of }: Findings): Block[] {
  const all = of.uses();
  if (all.length === 0) return [heading(2, 'Who used what'), none('Nobody opened a session or made a request.')];
  const rows = all
    .toSorted((a, b) => b.run + b.held + b.denied - (a.run + a.held + a.denied))
    .slice(0, MAX_ROWS)
    .map((use) => [
      cell([`${actorName(use.actor)} `, soft(use.actor.kind)], ...(use.sponsor === null ? [] : [[soft(`for ${actorName(use.sponsor)}`)]])),
      cell(use.target || '-'),
      ...[use.sessions, use.run, use.held, use.denied, use.rows].map((count) => cell(grouped(count))),
      cell([...use.clear].toSorted().join(', ') || '-'),
    ]);
  const numbers = ['Sessions', 'Run', 'Held', 'Denied', 'Rows'].map((label) => ({ label, isNumber: true as const }));
  const columns = [{ label: 'Identity' }, { label: 'Target' }, ...numbers, { label: 'Shown unmasked' }];
  return [heading(2, 'Who used what'), { kind: 'table', columns, rows }, ...cut(all.length, 'most requests', 'access_by_identity')];
}

/** A word about rows that are not on the page. */
function cut(all: number, order: string, file: string): Block[] {
  if (all <= MAX_ROWS) return [];
  return [paragraph([`The ${MAX_ROWS} with the ${order} of ${grouped(all)}; `, code(`records/${file}.csv`), ' has all.'])];
}

function protectedData({ totals }: Findings): Block[] {
  const all = [...totals.masks].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const rows = all.slice(0, 5 * MAX_ROWS).map(([name, masks]) => {
    const shown = ranked(masks).map(([mask, count]) => `${mask === 'clear' ? 'unmasked' : mask} ${grouped(count)} times`);
    return [cell(name), cell(shown.join(', '))];
  });
  const columns = [{ label: 'Class' }, { label: 'Columns of results that showed it' }];
  return [
    heading(2, 'Protected data in results'),
    rows.length === 0 ? none('No result had a protected column.') : { kind: 'table', columns, rows },
    ...(all.length > rows.length ? [paragraph(`and ${grouped(all.length - rows.length)} further classes.`)] : []),
  ];
}

function refusals({ totals }: Findings): Block[] {
  const part = (title: string, words: Parameters<typeof wordsOf>[0], map: ReadonlyMap<string, number>): Block[] => {
    if (map.size === 0) return [];
    const rows = ranked(map)
      .slice(0, MAX_ROWS)
      .map(([reason, count]) => [cell(reason || '(none)'), cell(wordsOf(words, reason) ?? ''), cell(grouped(count))]);
    const columns = [{ label: 'Code' }, { label: 'Why' }, { label: 'Count', isNumber: true as const }];
    return [heading(3, title), { kind: 'table', columns, rows }];
  };
  const blocks = [
    ...part('Denied requests', 'denial', totals.reasons),
    ...part('Failed log-ins', 'login', totals.loginFaults),
    ...part('How sessions ended', 'ending', totals.closeReasons),
  ];
  return [heading(2, 'Refusals and endings'), ...(blocks.length === 0 ? [none('Nothing was refused.')] : blocks)];
}

function stories({ samples }: Findings): Block[] {
  const grants = samples.grants().flatMap((story) => grantStory(story) ?? []);
  const approvals = samples.approvals().flatMap((story) => approvalStory(story) ?? []);
  return [
    heading(2, 'Sampled access, from request to end'),
    paragraph(
      'Nobody chose these: they are the grants and held requests whose first log entry has the lowest hash. What people wrote as their reasons is sealed.',
    ),
    ...(grants.length === 0 ? [none('No grant was asked for in this range.')] : grants),
    ...(approvals.length === 0 ? [none('No request was held in this range.')] : approvals),
  ];
}

function coverage({ coverage: of, totals }: Findings): Block[] {
  const numbers = (...labels: readonly string[]) => labels.map((label) => ({ label, isNumber: true as const }));
  const gateways = of.gateways();
  const targets = of.targets();
  const gatewayRows = gateways.slice(0, MAX_ROWS).map(([name, gateway]) => {
    const until = gateway.silenceUntil === '' ? '' : ` until ${timeText(gateway.silenceUntil)}`;
    const counts = [gateway.entries, gateway.starts, gateway.crashes, gateway.heartbeats].map((count) => cell(grouped(count)));
    return [cell(name), ...counts, cell(`${durationText(gateway.longestSilenceMs)}${until}`)];
  });
  const targetRows = targets.slice(0, MAX_ROWS).map(([name, target]) => {
    const counts = [target.sessions, target.identities.size, target.requests, target.denied, target.failedLogins];
    return [cell(name), ...counts.map((count) => cell(grouped(count)))];
  });
  const gatewayColumns = [
    { label: 'Gateway' },
    ...numbers('Entries', 'Starts', 'After a crash', 'Heartbeats'),
    { label: 'Longest silence' },
  ];
  const targetColumns = [{ label: 'Target' }, ...numbers('Sessions', 'Identities', 'Requests', 'Denied', 'Failed log-ins')];
  const clock = `The clock of a gateway went back ${counted(totals.backwards.count, 'time')}, by ${durationText(totals.backwards.mostMs)} at most.`;
  return [
    heading(2, 'Coverage and silence'),
    paragraph(
      'A running gateway writes a heartbeat every 60 seconds. A longer silence means that it could not write, or did not run and was not stopped in order.',
    ),
    gatewayRows.length === 0
      ? none('No gateway wrote an entry in this range.')
      : { kind: 'table', columns: gatewayColumns, rows: gatewayRows },
    ...cut(gateways.length, 'first names', 'coverage'),
    ...(targetRows.length === 0 ? [] : [{ kind: 'table' as const, columns: targetColumns, rows: targetRows }]),
    ...cut(targets.length, 'first names', 'coverage'),
    ...(totals.backwards.count === 0 ? [] : [paragraph(clock)]),
  ];
}

function controlMap(controls: Controls): Block[] {
  const rows = controls.list.map(({ id, title, count, counted: what, shows, cannotShow }) => [
    cell([strong(id)], title),
    cell(grouped(count), [soft(what)]),
    cell(shows),
    cell(cannotShow),
  ]);
  const columns = ['Requirement', 'Records', 'What they show', 'What they cannot show'].map((label) => ({ label }));
  return [
    heading(2, 'HIPAA control map'),
    paragraph(
      'Which records speak to which requirement of 45 CFR. This is evidence for an assessment, not a statement that a requirement is met.',
    ),
    { kind: 'table', columns, rows },
  ];
}

function limits({ scope }: Findings): Block[] {
  const items = [
    'What never went through the gateway.',
    'What sealed payloads hold: exact statements, parameters, results and reasons people gave. They are named by hash and can be opened with keys that the gateway does not have.',
    'That the clock was right: times are those of the gateway. Anchors, where there are some, bound them.',
    `That no other log exists: compare the checkpoint of ${counted(scope.size, 'entry', 'entries')} with one that you kept or a witness saw.`,
  ];
  return [
    heading(2, 'What this report does not show'),
    { kind: 'list', tone: 'caution', items },
    paragraph(['How to check all of this without its maker: ', code('VERIFY.md'), '.']),
  ];
}
