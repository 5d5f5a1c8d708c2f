// Every role on every target: what it may do, and how it sees each class.

import { useState } from 'react';
import { Badge, State } from '../../ui/badge.tsx';
import { counted } from '../../ui/numbers.ts';
import { Empty, Fault, Loading } from '../../ui/states.tsx';
import { cellsByRole, groupsOf, type Matrix, narrowed } from './matrix-grid.ts';
import { useMatrix } from './queries.ts';

export function MatrixTab() {
  const matrix = useMatrix();
  if (matrix.isPending) return <Loading what="the matrix" />;
  if (matrix.error !== null) return <Fault fault={matrix.error} again={() => void matrix.refetch()} />;
  return <MatrixView whole={matrix.data} />;
}

function MatrixView({ whole }: { readonly whole: Matrix }) {
  const [shown, setShown] = useState<'effects' | 'classes'>('effects');
  const [search, setSearch] = useState('');
  const [target, setTarget] = useState(whole.targets[0] ?? '');
  const matrix = narrowed(whole, search);
  const chosen = whole.targets.includes(target) ? target : (whole.targets[0] ?? '');
  return (
    <div className="stack">
      <div className="row spread matrix-bar">
        <div className="segments" role="group" aria-label="What to show">
          <button type="button" aria-pressed={shown === 'effects'} onClick={() => setShown('effects')}>
            What they may do
          </button>
          <button type="button" aria-pressed={shown === 'classes'} onClick={() => setShown('classes')}>
            How they see classes
          </button>
        </div>
        <span className="row matrix-fields">
          {shown === 'classes' && (
            <label className="field">
              <span>On target</span>
              <select className="input" value={chosen} onChange={(event) => setTarget(event.target.value)}>
                {whole.targets.map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </select>
            </label>
          )}
          <label className="field">
            <span>Search</span>
            <input
              className="input"
              type="search"
              autoComplete="off"
              spellCheck={false}
              placeholder={shown === 'effects' ? 'role, member or target' : 'role or member'}
              value={search}
              onChange={(event) => setSearch(event.target.value)}
            />
          </label>
        </span>
      </div>
      {whole.isCut && (
        <p className="note note-hold">There are more roles and targets than are worked out at once: some are missing here.</p>
      )}
      {matrix.roles.length === 0 ? (
        <Empty title="No role is like that" text="Loosen the search." />
      ) : shown === 'effects' ? (
        <Effects matrix={matrix} />
      ) : (
        <Classes matrix={matrix} target={chosen} />
      )}
      {shown === 'effects' && <Rules matrix={whole} />}
    </div>
  );
}

function Role({ role }: { readonly role: Matrix['roles'][number] }) {
  return (
    <th scope="row" className="matrix-role">
      <span>{role.role}</span>
      <details>
        <summary className="quiet small">{counted(role.members.length, 'member rule')}</summary>
        <ul className="plain small">
          {role.members.map((member) => (
            <li key={member}>{member}</li>
          ))}
        </ul>
      </details>
    </th>
  );
}

function Effects({ matrix }: { readonly matrix: Matrix }) {
  const cells = cellsByRole(matrix.cells);
  return (
    <>
      <p className="quiet small">
        Of a plain statement with this effect alone. What is not listed is denied. Rules that ask for more are below.
      </p>
      <div className="table-wrap matrix-wrap" tabIndex={0} role="group" aria-label="Roles and targets">
        <table className="table matrix">
          <thead>
            <tr>
              <th scope="col">Role</th>
              {matrix.targets.map((target) => (
                <th key={target} scope="col">
                  {target}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {matrix.roles.map((role) => (
              <tr key={role.role}>
                <Role role={role} />
                {matrix.targets.map((target) => {
                  const groups = groupsOf(cells.get(role.role)?.get(target) ?? { effects: [] });
                  return (
                    <td key={target} data-label={target} className={groups.length === 0 ? 'matrix-none' : undefined}>
                      {groups.length === 0 ? (
                        <span className="quiet">
                          <span aria-hidden="true">–</span>
                          <span className="hidden">nothing</span>
                        </span>
                      ) : (
                        <ul className="plain stack-small">
                          {groups.map(({ words, tone, effects, rules }) => (
                            <li key={words} title={rules.length === 0 ? undefined : `rules: ${rules.join(', ')}`}>
                              <Badge tone={tone}>{words}</Badge> {effects.join(', ')}
                              {rules.length > 0 && <span className="quiet small"> by {rules.join(', ')}</span>}
                            </li>
                          ))}
                        </ul>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Classes({ matrix, target }: { readonly matrix: Matrix; readonly target: string }) {
  const cells = cellsByRole(matrix.cells);
  if (matrix.classes.length === 0) return <Empty title="The policy has no classes" text="Nothing is protected until it has." />;
  return (
    <div className="table-wrap matrix-wrap" tabIndex={0} role="group" aria-label={`Roles and classes on ${target}`}>
      <table className="table matrix matrix-classes">
        <thead>
          <tr>
            <th scope="col">Role</th>
            {matrix.classes.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.roles.map((role) => {
            const cell = cells.get(role.role)?.get(target);
            return (
              <tr key={role.role}>
                <Role role={role} />
                {cell === undefined ? (
                  <td colSpan={matrix.classes.length} className="quiet matrix-whole">
                    has nothing on {target}
                  </td>
                ) : (
                  matrix.classes.map((name) => (
                    <td key={name} data-label={name}>
                      <Mask mask={cell.masks[name]} />
                    </td>
                  ))
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Mask({ mask }: { readonly mask: string | undefined }) {
  if (mask === undefined) return <span className="quiet">not said</span>;
  return mask === 'clear' ? <Badge tone="clear">in clear</Badge> : <Badge tone="mask">{mask}</Badge>;
}

function Rules({ matrix: { rules } }: { readonly matrix: Matrix }) {
  if (rules.length === 0) return null;
  return (
    <section className="card stack-small" aria-label="Rules">
      <h2>{counted(rules.length, 'rule')} for everybody</h2>
      <ul className="plain matrix-rules">
        {rules.map(({ rule, then, when, pack }) => (
          <li key={`${pack ?? ''} ${rule}`}>
            <span className="row">
              <State state={then} /> <strong>{rule}</strong> {pack !== null && <span className="quiet small">of {pack}</span>}
            </span>
            <code className="policy-when small">{when}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}
