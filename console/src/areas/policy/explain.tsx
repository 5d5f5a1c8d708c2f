// Paste a statement, say who asks: the decision the gate would make, with the reason for every masked column. Nothing is run.

import type { FormEvent } from 'react';
import { useState } from 'react';
import { useMay, useViewer } from '../../session.tsx';
import { ClassBadge, State } from '../../ui/badge.tsx';
import { readable } from '../../ui/readable.ts';
import { Sql } from '../../ui/sql.tsx';
import { Fault } from '../../ui/states.tsx';
import { duration } from '../../ui/time.tsx';
import type { Explained } from './queries.ts';
import { useExplain, useTargetNames } from './queries.ts';

type Kind = 'person' | 'agent' | 'service';

export function ExplainTab() {
  const viewer = useViewer();
  const maySpeakForOthers = useMay('oversight');
  const targets = useTargetNames();
  const explain = useExplain();
  const [sql, setSql] = useState('');
  const [chosen, setChosen] = useState('');
  const [isOther, setOther] = useState(false);
  const [subject, setSubject] = useState('');
  const [kind, setKind] = useState<Kind>('agent');
  const [groups, setGroups] = useState('');
  const target = chosen === '' ? (targets.data?.[0] ?? '') : chosen;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const as = { issuer: viewer.issuer, subject, kind, groups: groups.split(/[\s,]+/).filter(Boolean) };
    explain.mutate({ sql, target, ...(isOther ? { as } : {}) });
  };
  return (
    <div className="stack">
      <form className="card stack" onSubmit={submit}>
        <label className="field">
          <span>Statement</span>
          <textarea
            className="input policy-sql"
            required
            spellCheck={false}
            placeholder="SELECT name, lower(ssn) FROM patients WHERE id = 7"
            value={sql}
            onChange={(event) => setSql(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
            }}
          />
        </label>
        <div className="policy-fields">
          <label className="field">
            <span>Target</span>
            <select className="input" required value={target} onChange={(event) => setChosen(event.target.value)}>
              {targets.data?.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          {maySpeakForOthers && (
            <label className="field">
              <span>Who asks</span>
              <select className="input" value={isOther ? 'other' : 'me'} onChange={(event) => setOther(event.target.value === 'other')}>
                <option value="me">{viewer.name} (you)</option>
                <option value="other">somebody else …</option>
              </select>
            </label>
          )}
          {isOther && (
            <>
              <label className="field">
                <span>Subject</span>
                <input
                  className="input"
                  required
                  value={subject}
                  onChange={(event) => setSubject(event.target.value)}
                  placeholder="triage-agent"
                />
              </label>
              <label className="field">
                <span>Kind</span>
                <select className="input" value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
                  <option>agent</option>
                  <option>person</option>
                  <option>service</option>
                </select>
              </label>
              <label className="field">
                <span>Groups</span>
                <input
                  className="input"
                  value={groups}
                  onChange={(event) => setGroups(event.target.value)}
                  placeholder="ai-agents, research"
                />
              </label>
            </>
          )}
        </div>
        <div className="row spread">
          <span className="quiet small">Nothing is run. Ctrl+Enter asks.</span>
          <button type="submit" className="button button-primary" disabled={explain.isPending}>
            Explain
          </button>
        </div>
      </form>
      {targets.error !== null && <Fault fault={targets.error} />}
      {explain.error !== null && <Fault fault={explain.error} />}
      {explain.data !== undefined && <Explanation explained={explain.data} />}
    </div>
  );
}

const NOT = { 'not-matched': 'does not apply', error: 'could not be evaluated, so the statement is denied' } as const;
const OUTCOMES = { allow: 'It runs.', hold: 'It waits for a person.', deny: 'It is refused.' } as const;

function Explanation({ explained }: { readonly explained: Explained }) {
  const { decision, facts, outputs, rules, forward, missingEffects } = explained;
  return (
    <section className="stack" aria-label="Explanation">
      <div className={`card policy-outcome policy-${decision.outcome}`}>
        <div className="row">
          <State state={decision.outcome} />
          <strong>{OUTCOMES[decision.outcome]}</strong>
        </div>
        {decision.approvers !== null && (
          <p>
            {decision.approvers.count} of {decision.approvers.role}
            {decision.withinMs !== null && ` within ${duration(decision.withinMs)}`}
          </p>
        )}
        {decision.say !== null && <p>“{decision.say}”</p>}
        <p className="quiet small">
          {[
            ...decision.reasons,
            ...decision.rules.map((rule) => `rule ${rule}`),
            decision.roles.length > 0 ? `as ${decision.roles.join(', ')}` : 'no role of the policy',
          ].join(' · ')}
        </p>
        {missingEffects.length > 0 && <p>No access entry grants: {missingEffects.join(', ')}.</p>}
        {facts.unknowns.map(({ code, what, remedy }) => (
          <p key={`${code} ${what}`} className="note note-deny">
            <strong>Not understood:</strong> {what}. {remedy}
          </p>
        ))}
      </div>
      {outputs.length > 0 && (
        <div className="card stack">
          <h2>What comes out, and why</h2>
          <ul className="plain policy-outputs">
            {outputs.map(({ name, sources, classes, mask }, index) => (
              <li key={`${index} ${name}`}>
                <code>{readable(name)}</code>
                <span className="quiet">{sources.length === 0 ? 'made of no column' : `made of ${sources.join(', ')}`}</span>
                <span className="row">
                  {classes.length === 0 ? (
                    <span className="quiet">not protected</span>
                  ) : (
                    classes.map((each) => <ClassBadge key={each} name={each} mask={mask} />)
                  )}
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
      <div className="card stack">
        <h2>Facts</h2>
        <dl className="facts">
          <dt>Does</dt>
          <dd>
            {facts.effects.join(', ') || 'nothing'}
            {facts.unbounded && <strong className="left-short"> without a bound</strong>}
          </dd>
          <dt>Touches</dt>
          <dd>{facts.relations.map(({ name, access }) => `${name} (${access})`).join(', ') || 'nothing'}</dd>
          <dt>Classes read</dt>
          <dd>{facts.classes.join(', ') || 'none'}</dd>
          <dt>Classes it filters by</dt>
          <dd>{facts.predicateClasses.join(', ') || 'none'}</dd>
        </dl>
      </div>
      <div className="card stack">
        <h2>Rules</h2>
        {rules.length === 0 && <p className="quiet">The policy has no rules; access entries decide.</p>}
        <ul className="plain policy-rules">
          {rules.map(({ rule, then, outcome, detail, when, place }) => (
            <li key={rule} className={outcome === 'matched' ? '' : 'quiet'}>
              <span className="row">
                <strong>{rule}</strong> {outcome === 'matched' ? <State state={then} /> : <span className="small">{NOT[outcome]}</span>}
                {place !== null && (
                  <span className="quiet small">
                    {place.file}:{place.line}
                  </span>
                )}
              </span>
              {when !== null && <code className="policy-when">{when}</code>}
              {detail !== null && <p className="small">{detail}</p>}
            </li>
          ))}
        </ul>
      </div>
      {forward !== null && (
        <details className="card">
          <summary>What the target would be sent</summary>
          <Sql sql={forward} />
        </details>
      )}
    </section>
  );
}
