// Arrays are masked element by element, where the method says something about the elements. How many there are is shown.
// Arrays of several dimensions are NULL: taken apart, they would lose their form.

import type { SqlType } from './sql-types.ts';
import { fn, type Subject } from './subject.ts';

// No column of a client's table is called so: the name must not be taken for one of the relation's.
const ELEMENT = '"sp element"';
const PLACE = '"sp place"';

/** @param mask of one element. @returns null when the method says nothing about them. */
export function elementwise(subject: Subject, element: SqlType, mask: (subject: Subject) => string | null): string | null {
  const { value, type } = subject;
  const shown = mask({ ...subject, value: ELEMENT, type: element });
  if (shown === null || type.unboundedCast === null) return null;
  const elements = `ARRAY(SELECT ${shown} FROM ${fn('unnest', value)} WITH ORDINALITY AS sp_elements(${ELEMENT}, ${PLACE}) ORDER BY ${PLACE})`;
  const dimensions = fn('array_ndims', value);
  const isEmpty = fn('int4eq', fn('cardinality', value), '0');
  return `(CASE WHEN ${fn('int4eq', dimensions, '1')} OR ${isEmpty} THEN ${elements} END)::${type.unboundedCast}`;
}
