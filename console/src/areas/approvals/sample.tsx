import { readable } from '../../ui/readable.ts';
import type { ApprovalDetail } from './queries.ts';

type Sample = NonNullable<ApprovalDetail['sample']>;

/** Some of the rows that it would change, before and after. Protected columns are masked by the gateway, never here. */
export function SampleTable({ sample: { columns, columnsLeftOut, isPaired, rows } }: { readonly sample: Sample }) {
  return (
    <section className="stack-small" aria-label="Some rows">
      <h3>
        Some rows{isPaired ? '' : ': before and after are not of the same rows'}
        {columnsLeftOut > 0 && <span className="quiet"> ({columnsLeftOut} columns left out)</span>}
      </h3>
      <div className="table-wrap" tabIndex={0} role="group" aria-label="Rows before and after">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">row</th>
              {columns.map(({ name, isKey, isAssigned }) => (
                <th key={name} scope="col">
                  {readable(name)}
                  {isKey && ' (key)'}
                  {isAssigned && ' (set)'}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ before, after }, row) => (
              <tr key={row}>
                <th scope="row">{row + 1}</th>
                {columns.map(({ name }, column) => {
                  const [was, is] = [before?.[column], after?.[column]];
                  const isChanged = before !== null && after !== null && was !== is;
                  return (
                    <td key={name}>
                      {before !== null && <Cell text={was} isGone={isChanged || after === null} />}
                      {isChanged && ' → '}
                      {after !== null && (before === null || isChanged) && <Cell text={is} />}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Cell({ text, isGone = false }: { readonly text: string | null | undefined; readonly isGone?: boolean }) {
  const shown = typeof text === 'string' ? readable(text) : <em className="quiet">NULL</em>;
  return isGone ? <del>{shown}</del> : <span>{shown}</span>;
}
