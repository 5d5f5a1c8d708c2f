// What roles gain and lose between two policies. Reveals first: they are what somebody has to want.

import { Badge } from '../../ui/badge.tsx';
import type { Diff } from './queries.ts';

export function DiffView({ diff }: { readonly diff: Diff }) {
  if (diff.isEqual) return <p className="quiet">The two mean the same.</p>;
  const reveals = diff.masks.filter(({ change }) => change === 'reveals');
  const hides = diff.masks.filter(({ change }) => change === 'hides');
  return (
    <div className="stack">
      <Masks title="Reveals" tone="deny" masks={reveals} />
      <Masks title="Hides" tone="allow" masks={hides} />
      <Lines
        title="Access"
        lines={diff.access.map(({ role, targets, how, gains, loses }) => ({
          key: `${role} ${targets.join(' ')} ${how}`,
          text: `${role} on ${targets.join(', ')} (${how})`,
          gains,
          loses,
        }))}
      />
      <Lines
        title="Roles"
        lines={diff.roles.map(({ role, change, joins, leaves }) => ({ key: role, text: `${role} ${change}`, gains: joins, loses: leaves }))}
      />
      <Lines
        title="Classes"
        lines={diff.classes.map(({ class: name, change, columnsAdded, columnsRemoved }) => ({
          key: name,
          text: `${name} ${change}`,
          gains: columnsAdded,
          loses: columnsRemoved,
        }))}
      />
      {diff.rules.length > 0 && (
        <section className="stack-small">
          <h3>Rules</h3>
          <ul className="plain policy-rules">
            {diff.rules.map(({ rule, change, then, fields }) => (
              <li key={rule}>
                <strong>{rule}</strong> {change}, then {then}
                {fields.map(({ field, from, to }) => (
                  <p key={field} className="small">
                    {field}: <del>{from}</del> → <ins>{to}</ins>
                  </p>
                ))}
              </li>
            ))}
          </ul>
        </section>
      )}
      {diff.isCut && <p className="quiet">There are more changes of masks than are listed.</p>}
    </div>
  );
}

function Masks({ title, tone, masks }: { readonly title: string; readonly tone: 'allow' | 'deny'; readonly masks: Diff['masks'] }) {
  if (masks.length === 0) return null;
  return (
    <section className="stack-small">
      <h3>
        <Badge tone={tone}>{title}</Badge>
      </h3>
      <ul className="plain policy-rules">
        {masks.map(({ role, targets, class: name, from, to }) => (
          <li key={`${role ?? ''} ${targets.join(' ')} ${name}`}>
            <strong>{name}</strong> for {role ?? 'everybody else'} on {targets.join(', ')}: {from} → {to}
          </li>
        ))}
      </ul>
    </section>
  );
}

interface Line {
  readonly key: string;
  readonly text: string;
  readonly gains: readonly string[];
  readonly loses: readonly string[];
}

function Lines({ title, lines }: { readonly title: string; readonly lines: readonly Line[] }) {
  if (lines.length === 0) return null;
  return (
    <section className="stack-small">
      <h3>{title}</h3>
      <ul className="plain policy-rules">
        {lines.map(({ key, text, gains, loses }) => (
          <li key={key}>
            {text}
            {gains.length > 0 && <p className="small">+ {gains.join(', ')}</p>}
            {loses.length > 0 && <p className="small">− {loses.join(', ')}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}
