// report.html: what happened in the range, for people. One page that prints well; every number is derived from the log.

import type { Controls } from './controls.ts';
import type { Findings } from './derive.ts';
import { actorName } from './fields.ts';
import { counted, durationText, grouped, h, page, table, timeText } from './html.ts';
import { barPlot } from './plots.ts';
import { renderApprovalStory, renderGrantStory } from './stories.ts';
import { ranked } from './totals.ts';

const MAX_ROWS = 20;

export function renderReport(findings: Findings, controls: Controls): string {
  const { scope } = findings;
  const body = [
    '<h1>Access to protected data: evidence report</h1>\n',
    `<p class="lead">What passed the gateway from ${h(timeText(scope.from))} to ${h(timeText(scope.to))} UTC, from its signed audit log.</p>\n`,
    scopeBox(findings),
    summary(findings),
    overTime(findings),
    identities(findings),
    protectedData(findings),
    refusals(findings),
    stories(findings),
    coverage(findings),
    controlMap(controls),
    limits(findings),
  ];
  return page(`Evidence report ${scope.origin}`, body.join(''));
}

function scopeBox({ scope, totals }: Findings): string {
  const rows: [string, string][] = [
    ['Log', `<code>${h(scope.origin)}</code>`],
    ['Range', `${h(timeText(scope.from))} to ${h(timeText(scope.to))} UTC`],
    [
      'Entries',
      scope.end === scope.first
        ? 'none in the range'
        : `${grouped(scope.end - scope.first)}: index ${scope.first} to ${scope.end - 1} of ${grouped(scope.size)}`,
    ],
    ['Root', `<code>${h(scope.root)}</code>`],
    ...(scope.principal === null
      ? []
      : [['Only', `principal <code>${h(`${scope.principal.issuer}/${scope.principal.subject}`)}</code>`] as [string, string]]),
    ...(scope.target === null ? [] : [['Only', `target <code>${h(scope.target)}</code>`] as [string, string]]),
    ...(scope.principal === null && scope.target === null
      ? []
      : [['Told here', counted(totals.entries, 'entry', 'entries')] as [string, string]]),
  ];
  return `<dl class="scope">${rows.map(([name, html]) => `<dt>${name}</dt><dd>${html}</dd>`).join('\n')}</dl>\n`;
}

function summary({ totals, identities, samples }: Findings): string {
  const uses = identities.uses();
  const people = new Set(uses.map(({ actor }) => `${actor.kind} ${actorName(actor)}`));
  const clear = new Set(uses.flatMap(({ clear: names }) => [...names]));
  const tiles: [string, string][] = [
    [grouped(totals.of('request.intent')), 'requests run'],
    [grouped(totals.of('request.held')), 'held for approval'],
    [grouped(totals.of('request.denied')), 'denied'],
    [grouped(totals.rows), 'rows returned'],
    [grouped(people.size), 'identities'],
    [grouped(totals.of('session.open')), 'sessions'],
    [grouped(totals.of('breakglass.opened')), 'emergency accesses'],
    [grouped(totals.of('auth.fail')), 'failed log-ins'],
  ];
  const median = totals.waits[Math.floor(totals.waits.length / 2)];
  const lines = [
    `${counted(totals.verdicts.get('approve') ?? 0, 'answer')} approved and ${counted(totals.verdicts.get('deny') ?? 0, 'answer')} denied a held request; ${counted(totals.of('approval.expired'), 'question')} ended without an answer.${median === undefined ? '' : ` Half of the questions were decided within ${durationText(median)}.`}`,
    `${counted(totals.of('grant.opened'), 'grant')} opened, ${grouped(totals.of('grant.ended'))} ended; ${counted(totals.of('breakglass.reviewed'), 'emergency access', 'emergency accesses')} reviewed.`,
    `${counted(totals.writes, 'request')} could change data.`,
    clear.size === 0 ? 'No protected class was shown unmasked.' : `Shown unmasked: ${h([...clear].toSorted().join(', '))}.`,
    `${counted(totals.of('policy.applied'), 'time')} a policy version was put into force; ${counted(totals.policies.size, 'version')} decided.`,
    `${counted(totals.of('review.signed'), 'review')} signed. ${counted(totals.family('payload.'), 'entry', 'entries')} about opened or destroyed payloads; ${counted(samples.sealedPayloads, 'payload')} named.`,
    ...(totals.alarms.size === 0
      ? []
      : [
          `Alarms: ${h(
            ranked(totals.alarms)
              .map(([code, count]) => `${code} (${count})`)
              .join(', '),
          )}.`,
        ]),
  ];
  return (
    `<h2>Summary</h2>\n<div class="tiles">${tiles.map(([value, label]) => `<div class="tile"><b>${value}</b><span>${label}</span></div>`).join('\n')}</div>\n` +
    `<ul>\n${lines.map((line) => `<li>${line}</li>\n`).join('')}</ul>\n`
  );
}

function overTime({ totals }: Findings): string {
  const { buckets, bucketMs } = totals;
  return (
    '<h2>Over time</h2>\n' +
    barPlot('Requests', buckets, bucketMs, [
      { kind: 'run', label: 'run', value: ({ run }) => run },
      { kind: 'held', label: 'held', value: ({ held }) => held },
      { kind: 'denied', label: 'denied', value: ({ denied }) => denied },
    ]) +
    barPlot('Rows returned', buckets, bucketMs, [{ kind: 'rows', label: 'rows', value: ({ rows }) => rows }]) +
    barPlot('Failed log-ins', buckets, bucketMs, [{ kind: 'denied', label: 'failed log-ins', value: ({ failedLogins }) => failedLogins }])
  );
}

function identities({ identities: of }: Findings): string {
  const all = of.uses();
  const shown = all.toSorted((a, b) => b.run + b.held + b.denied - (a.run + a.held + a.denied)).slice(0, MAX_ROWS);
  const rows = shown.map((use) => [
    `${h(actorName(use.actor))} <span class="key">${h(use.actor.kind)}</span>${use.sponsor === null ? '' : `<br><span class="key">for ${h(actorName(use.sponsor))}</span>`}`,
    h(use.target || '-'),
    grouped(use.sessions),
    grouped(use.run),
    grouped(use.held),
    grouped(use.denied),
    grouped(use.rows),
    h([...use.clear].toSorted().join(', ') || '-'),
  ]);
  const head = ['Identity', 'Target', 'Sessions', 'Run', 'Held', 'Denied', 'Rows', 'Shown unmasked'];
  const more =
    all.length > shown.length
      ? `<p>The ${shown.length} with the most requests of ${all.length}; <code>records/access_by_identity.csv</code> has all.</p>\n`
      : '';
  return `<h2>Who used what</h2>\n${all.length === 0 ? none('Nobody opened a session or made a request.') : table(head, rows, [2, 3, 4, 5, 6])}${more}`;
}

function protectedData({ totals }: Findings): string {
  const rows = [...totals.masks]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, masks]) => [
      h(name),
      h(
        ranked(masks)
          .map(([mask, count]) => `${mask === 'clear' ? 'unmasked' : mask} ${grouped(count)}×`)
          .join(', '),
      ),
    ]);
  return `<h2>Protected data in results</h2>\n${rows.length === 0 ? none('No result had a protected column.') : table(['Class', 'Shown as, columns of results'], rows)}`;
}

function refusals({ totals }: Findings): string {
  const part = (title: string, map: ReadonlyMap<string, number>): string =>
    map.size === 0
      ? ''
      : `<h3>${title}</h3>\n${table(
          ['Reason', 'Count'],
          ranked(map)
            .slice(0, MAX_ROWS)
            .map(([reason, count]) => [h(reason || '(none)'), grouped(count)]),
          [1],
        )}`;
  const html =
    part('Denied requests', totals.reasons) + part('Failed log-ins', totals.loginFaults) + part('How sessions ended', totals.closeReasons);
  return `<h2>Refusals and endings</h2>\n${html || none('Nothing was refused.')}`;
}

function stories({ samples }: Findings): string {
  const grants = samples.grants().map(renderGrantStory).join('');
  const approvals = samples.approvals().map(renderApprovalStory).join('');
  return (
    '<h2>Sampled access, from request to end</h2>\n<p>The sample is not chosen by anybody: it is the grants and held requests whose first log entry has the lowest hash.</p>\n' +
    (grants || none('No grant was asked for in this range.')) +
    (approvals || none('No request was held in this range.'))
  );
}

function coverage({ coverage: of, totals }: Findings): string {
  const gateways = of
    .gateways()
    .map(([name, gateway]) => [
      h(name),
      grouped(gateway.entries),
      grouped(gateway.starts),
      grouped(gateway.crashes),
      grouped(gateway.heartbeats),
      `${durationText(gateway.longestSilenceMs)}${gateway.silenceUntil === '' ? '' : ` until ${h(timeText(gateway.silenceUntil))}`}`,
    ]);
  const targets = of
    .targets()
    .map(([name, target]) => [
      h(name),
      grouped(target.sessions),
      grouped(target.identities.size),
      grouped(target.requests),
      grouped(target.denied),
      grouped(target.failedLogins),
    ]);
  const clock =
    totals.backwards.count === 0
      ? ''
      : `<p>The clock of a gateway went back ${counted(totals.backwards.count, 'time')}, by ${durationText(totals.backwards.mostMs)} at most.</p>\n`;
  return (
    '<h2>Coverage and silence</h2>\n<p>A running gateway writes a heartbeat every 60 seconds. A longer silence means that it could not write, or did not run.</p>\n' +
    (gateways.length === 0
      ? none('No gateway wrote an entry in this range.')
      : table(['Gateway', 'Entries', 'Starts', 'After a crash', 'Heartbeats', 'Longest silence'], gateways, [1, 2, 3, 4])) +
    (targets.length === 0
      ? ''
      : table(['Target', 'Sessions', 'Identities', 'Requests', 'Denied', 'Failed log-ins'], targets, [1, 2, 3, 4, 5])) +
    clock
  );
}

function controlMap(controls: Controls): string {
  const rows = controls.list.map(({ id, title, count, counted: what, shows, cannotShow }) => [
    `<b>${h(id)}</b><br>${h(title)}`,
    `${grouped(count)}<br><span class="key">${h(what)}</span>`,
    h(shows),
    h(cannotShow),
  ]);
  return `<h2>HIPAA control map</h2>\n<p>Which records speak to which requirement of 45 CFR. This is evidence for an assessment, not a statement that a requirement is met.</p>\n${table(['Requirement', 'Records', 'What they show', 'What they cannot show'], rows)}`;
}

function limits({ scope }: Findings): string {
  return (
    '<h2>What this report does not show</h2>\n<div class="not">\n<ul>\n' +
    '<li>What never went through the gateway.</li>\n' +
    '<li>What sealed payloads hold: exact statements, parameters, results and reasons people gave. They are named by hash and can be opened with keys that the gateway does not have.</li>\n' +
    '<li>That the clock was right: times are those of the gateway. Anchors, where there are some, bound them.</li>\n' +
    `<li>That no other log exists: compare the checkpoint of ${grouped(scope.size)} entries with one that you kept or a witness saw.</li>\n` +
    '</ul>\n</div>\n<p>How to check all of this without its maker: <code>VERIFY.md</code>.</p>\n'
  );
}

function none(text: string): string {
  return `<p class="none">${h(text)}</p>\n`;
}
