// Structural comparison of parse trees. What the deparser printed is parsed again and must be the same tree, or the
// statement is refused: this catches dropped clauses (WITH TIES, GROUP BY DISTINCT) and every quoting mistake.

/** Fields that say where in the text a node was, never what it means. */
const POSITION_FIELDS = new Set([
  'location',
  'stmt_location',
  'stmt_len',
  'name_location',
  'list_start',
  'list_end',
  'rexpr_list_start',
  'rexpr_list_end',
  'version',
]);

type Fields = Readonly<Record<string, unknown>>;

/** True when both trees mean the same: equal but for positions in the text. */
export function sameTree(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (let index = 0; index < a.length; index += 1) if (!sameTree(a[index], b[index])) return false;
    return true;
  }
  let surplus = 0;
  for (const field in a) {
    if (a[field] === undefined || POSITION_FIELDS.has(field)) continue;
    if (!(field === 'names' ? sameTree(typeName(a[field]), typeName(b[field])) : sameTree(a[field], b[field]))) return false;
    surplus += 1;
  }
  for (const field in b) if (b[field] !== undefined && !POSITION_FIELDS.has(field)) surplus -= 1;
  return surplus === 0;
}

/** The deparser prints `pg_catalog.text` as `text`: the same type, because pg_catalog comes first on the pinned path (only
 *  the row type of a temporary relation could come before, and that holds what the session itself stored). */
function typeName(names: unknown): unknown {
  return Array.isArray(names) && names.length === 2 && isObject(names[0]) && sameTree(names[0], PG_CATALOG) ? names.slice(1) : names;
}

const PG_CATALOG = { String: { sval: 'pg_catalog' } };

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
