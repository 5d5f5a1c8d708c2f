// What may not break unnoticed: tripwire, scrubber, walker, name vetting, round trip, settings, protection closure.
// The walker's table and its handlers have their own, in src/sql/node-table.test.ts: every row, without a process each.
// Each mutant names the test that must go red: others may as well.

import type { Check, Mutant } from './harness.ts';

const check =
  (file: string) =>
  (title: string): Check => ({ file, title });
const query = check('src/sql/plan-query.test.ts');
const write = check('src/sql/plan-write.test.ts');
const session = check('src/sql/plan-session.test.ts');
const names = check('src/sql/walk-names.test.ts');
const table = check('src/sql/node-table.test.ts');
const partitions = check('src/sql/walk-restrictions.test.ts');
const vetting = check('src/sql/vetting.test.ts');
const protection = check('src/sql/protection.test.ts');
const tree = check('src/sql/parser.test.ts');
const planner = check('src/protocols/postgres/planner.test.ts');
const plans = check('src/protocols/postgres/plan-cache.test.ts');
const scrub = check('src/protocols/postgres/scrub.test.ts');
/** Through the adapter, with a real server. */
const wire = check('test/mutation/tripwire.check.ts');

/** What breaks, who notices, the text that is replaced and what with, and the text it stands behind. */
type Row = readonly [breaks: string, noticedBy: Check, from: string, to: string, after?: string];

function of(file: string, rows: readonly Row[]): Mutant[] {
  return rows.map(([breaks, noticedBy, from, to, after]) => ({
    breaks,
    noticedBy,
    changes: [after === undefined ? { file, from, to } : { file, from, to, after }],
  }));
}

const tripwire: readonly Mutant[] = [
  ...of('src/protocols/postgres/planner.ts', [
    [
      'the tripwire never sees anything',
      planner('sees a protected column wherever'),
      'return columns.some(',
      'return false && columns.some(',
      'exposesProtected(',
    ],
    ['the tripwire lets whole rows pass', planner('sees a whole row'), 'attnum !== 0 && ', '', 'exposesProtected('],
    [
      'the tripwire goes by an old protection',
      planner('goes by the newest policy'),
      'this.protection()',
      '(this.#protection?.value ?? this.protection())',
      'exposesProtected(',
    ],
    [
      'the tripwire asks no mask',
      planner('lets pass what the masks'),
      'maskColumn(relation, column, classes) !== null',
      'true',
      'exposesProtected(',
    ],
    [
      'a plan is kept under another policy',
      planner('is made anew for other masks'),
      'this.#deps.policy().version',
      'under.policyVersion',
      'isStale(',
    ],
    [
      'a plan is kept under another catalogue',
      planner('is stale when the catalogue'),
      '!== this.catalogueVersion',
      '=== undefined',
      'isStale(',
    ],
    ['a plan is kept under other masks', planner('is made anew for other masks'), 'under.maskSetId !== masks.id', 'false', 'isStale('],
    [
      'without a catalogue the text is sent',
      planner('without a catalogue sends nothing'),
      'forward: null',
      'forward: text',
      'function blindPlan',
    ],
    ['nobody hears the tripwire', wire('a simple query'), 'return columns.some(', 'return false && columns.some(', 'exposesProtected('],
  ]),
  ...of('src/protocols/postgres/plan-cache.ts', [
    [
      'cached plans are shared by all masks',
      planner('is made anew for other masks'),
      'this.#shelves.get(maskSetId)',
      "this.#shelves.get('')",
    ],
    [
      'cached plans are shared with sessions that have objects',
      planner('is not shared with a session'),
      'objects[kind](name) === undefined',
      'true',
    ],
    ['literals are not put back', plans('INVARIANT: a plan found by shape'), 'literals[slots[at] ?? 0]', "'0'"],
  ]),
  {
    // Either alone is caught by the other.
    breaks: 'literals that mean something are taken for inert, and nobody proves otherwise',
    noticedBy: plans('literals that mean something'),
    changes: [
      { file: 'src/protocols/postgres/plan-cache.ts', from: 'inert.has(start) ||', to: 'true ||' },
      { file: 'src/protocols/postgres/plan-cache.ts', from: '!samePlan(', to: 'false && !samePlan(' },
    ],
  },
  ...of('src/protocols/postgres/answers.ts', [
    ['a simple result is not checked', wire('a simple query'), 'this.#checkOrigins(', 'void (', '#queryAnswered(work'],
    ['a described portal is not checked', wire('Describe of a portal'), 'this.#checkOrigins(', 'void (', "case 'describe-portal'"],
    ['a described statement is not checked', wire('Describe of a statement'), 'this.#checkOrigins(', 'void (', "case 'describe-statement'"],
    [
      'rows of a write that asked for none pass',
      wire('rows of a write'),
      'outputs.length === 0',
      'outputs === undefined',
      '#checkOrigins(',
    ],
  ]),
];

const quoting = scrub('every field that may quote');
const scrubber: readonly Mutant[] = of('src/protocols/postgres/scrub.ts', [
  ...[...'DHWstcdnRpq'].map((field): Row => [`field ${field} passes when messages are cut short`, quoting, field, '', "trim: '"]),
  ...[...'DHW'].map((field): Row => [`field ${field} passes when texts are withheld`, quoting, field, '', "'code-only': '"]),
  ['texts of every class pass', scrub('a text that may carry a value'), '&& !mayShowText', '&& false'],
  ['texts of class 22 pass', scrub('a text that may carry a value'), "startsWith('42')", "startsWith('')"],
  ['texts that point nowhere pass', scrub('a text that may carry a value'), "fields.has('P') &&", '', 'startsWith'],
  ['texts of code of the server pass', scrub('a text that may carry a value'), "!fields.has('W') &&", '', 'startsWith'],
  ['notices pass', scrub('notices are dropped'), "if (policy !== 'pass') return null;", '', 'function scrubNotice'],
  ['the milder policy counts', scrub('of two policies'), '>=', '<=', 'function stricter'],
]);

const walker: readonly Mutant[] = [
  ...of('src/sql/walk.ts', [
    [
      'nodes out of the table pass',
      table('refuses what is not in the table'),
      "this.findings.refuse({ code: 'node-kind'",
      "void ({ code: 'node-kind'",
      'refuseNode(what',
    ],
    ['code that is not vetted passes', table('is walked: ResTarget.val'), 'this.findings.refuse(reason)', 'void reason', 'unvetted('],
    [
      'everything is planned as if nothing were masked',
      query('of functions, operators and types are vetted'),
      '!masks.anyMasked',
      'true',
      'this.lenient =',
    ],
    ['CTEs keep their names', query('of CTEs are renamed'), 'return `sp_c', 'return name || `sp_c', 'cteName('],
    ['masked columns are read and stored', write('may not read a masked column'), 'this.findings.refuse(', 'void (', 'refuseWrite('],
  ]),
  ...of('src/sql/walk-query.ts', [
    [
      'a CTE reaches beyond its query',
      names('hides a relation in its own query'),
      '{ parent: outer.ctes, names: new Map() }',
      'outer.ctes ?? { parent: null, names: new Map() }',
      'const scope',
    ],
    ['a CTE sees itself', names('does not see itself'), 'if (recursive)', 'if (true)', 'const recursive'],
    ['names are not pinned to their schema', names('further along the path'), "body['schemaname'] = schema;", '', 'function pin'],

    [
      'statistics are readable',
      query('of statistics and other data-bearing'),
      'walker.findings.refuse(refusal)',
      'void refusal',
      'function readable',
    ],
    [
      'messages of a view over protected columns pass',
      query('pass for stand-ins'),
      'walker.findings.sensitive = true',
      'void 0',
      'function readable',
    ],
    [
      'names that lead nowhere pass',
      query('that lead nowhere'),
      "walker.findings.refuse(unknown('relation'",
      "void (unknown('relation'",
      'function resolved',
    ],
    [
      'partitions that tell a value are read',
      partitions('are not read or written by themselves'),
      'walker.findings.refuse({',
      'void ({',
      'function refuseTelling',
    ],
  ]),
  ...of('src/sql/walk-names.ts', [
    [
      'functions are not vetted',
      query('of functions, operators and types are vetted'),
      'if (!vouchedByArguments(',
      'if (false && !vouchedByArguments(',
    ],
    [
      'operators are not vetted',
      query('of functions, operators and types are vetted'),
      'walker.unvetted(walker.names.operator(names))',
      'void names',
      'function operatorName',
    ],
    [
      'attribute notation calls anything',
      query('of functions, operators and types are vetted'),
      'walker.unvetted(walker.names.attribute(column))',
      'void column',
    ],
    [
      'every setting is readable by function',
      names('is not with other arguments'),
      'isReadableSetting(first)',
      'true',
      'function vouchedByArguments',
    ],
    [
      'every setting is settable by function',
      names('is not with other arguments'),
      'isSettable(first, value)',
      'true',
      'function vouchedByArguments',
    ],
    [
      'a function of the same name stands in for a vouched one',
      names('is not when a function of that name'),
      'if (shadowed) return false;',
      '',
      'function vouchedByArguments',
    ],
    ['a write reads masked columns of its target', write('may not read a masked column'), "reach?.kind === 'raw'", 'false'],
    [
      'a column that may be the target’s is not pinned to its table',
      write('write the table in front of a clean column'),
      'fields.unshift(',
      'void (',
    ],
  ]),
  ...of('src/sql/rewrite.ts', [
    ['stand-ins project the column itself', query('are replaced by a sub-select'), 'expression === undefined ?', 'true ?', '#write('],
    ['ONLY is lost', query('keep ONLY and TABLESAMPLE'), "options.only ? 'ONLY ' : ''", "''", '#write('],
  ]),
  ...of('src/sql/statements-plan.ts', [
    [
      'statements that are not analysed pass',
      write('that could take protection off'),
      'if (!this.lenient) this.refuse(',
      'if (false) this.refuse(',
      '#opaque(',
    ],
    [
      'masked values are stored',
      write('may read masked columns of other relations'),
      'this.refuseStore(write.column)',
      'void 0',
      '#refuseStores(',
    ],
  ]),
  ...of('src/sql/plan-statement.ts', [
    ['implicit casts run anything', session('refuses every statement, because'), 'unsafe === undefined ||', 'true ||'],
    ['what is refused is sent', query('that lead nowhere'), 'refused ? null : written', 'written'],
  ]),
];

const roundTrip: readonly Mutant[] = [
  ...of('src/sql/rewrite-text.ts', [
    [
      'placeholders of the client are filled',
      query('cannot be displaced by a placeholder'),
      'return found.length === count && new Set(found).size === count && printed.split(start).length - 1 === count;',
      'return true;',
    ],
    [
      'what was printed is not compared',
      query('survive what the deparser drops'),
      'left.length === right.length',
      'true || left.length === right.length',
      'function meansTree',
    ],
  ]),
  ...of('src/sql/parser-compare.ts', [
    ['surplus fields are no difference', tree('sees every other difference'), 'return surplus === 0', 'return true'],
    ['names are positions', tree('sees every other difference'), "'location',", "'location', 'relname', 'sval',"],
  ]),
];

const vocabulary: readonly Mutant[] = [
  {
    breaks: 'query_to_xml is called',
    noticedBy: vetting('that run SQL, reach files'),
    changes: [
      { file: 'src/sql/vetted-functions.ts', from: ' query_to_xml ', to: ' ', after: 'REFUSED_BUILTINS' },
      { file: 'src/sql/vetted-functions.ts', from: 'words(`', to: 'words(`query_to_xml ', after: 'ALLOWED_BUILTINS' },
    ],
  },
  ...of('src/sql/vetted-functions.ts', [
    ...['pg_read_file', 'pg_sleep', 'lo_get', 'pg_stat_get_activity', 'pg_notify', 'current_setting'].map((name): Row => [
      `${name} is called`,
      vetting('that run SQL, reach files'),
      'words(`',
      `words(\`${name} `,
      'ALLOWED_BUILTINS',
    ]),
    ['every volatility is pure', vetting('that run SQL, reach files'), "fn.volatility === 'immutable'", 'true', 'function isVettedBuiltin'],
    [
      'every extension is pure',
      vetting('extensions are vetted by name'),
      "volatility === 'immutable'",
      'true',
      'function isVettedExtensionFunction',
    ],
  ]),
  ...of('src/sql/settings.ts', [
    ['search_path is set', vetting('that move names, literals'), "['jit', bool],", "['jit', bool], ['search_path', any],"],
    [
      'literals change their boundaries',
      vetting('that move names, literals'),
      "oneOf('on', 'true', 'yes', '1')",
      'bool',
      "'standard_conforming_strings'",
    ],
    ['the encoding is set', vetting('that move names, literals'), '/^(utf-?8|unicode)$/i', '/./'],
    [
      'every setting is set',
      vetting('that move names, literals'),
      'check !== undefined &&',
      'check === undefined ||',
      'function isSettable',
    ],
    [
      'every setting is read',
      vetting('with harmless values may be read'),
      'SETTABLE.has(folded) ||',
      'true ||',
      'function isReadableSetting',
    ],
  ]),
  ...of('src/sql/statements-session.ts', [
    ['SET asks no list', session('are accepted from a list'), '!isSettable(name, constantList', 'false && !isSettable(name, constantList'],
    ['SHOW asks no list', session('are accepted from a list'), '&& isReadableSetting(name)', ''],
  ]),
];

const bound: readonly Mutant[] = of('src/sql/protection-bound.ts', [
  [
    'a renamed column is forgotten',
    protection('keeps a column that was renamed'),
    'closure.add(found.relation, found.column, sources);',
    'void sources;',
  ],
  [
    'what a detached partition holds is forgotten',
    protection('keeps what holds values still'),
    'if (rest === NO_SOURCES) continue;',
    'continue;',
  ],
]);

const closure: readonly Mutant[] = of('src/sql/protection.ts', [
  [
    'children and parents are not followed',
    protection('follows inheritance and partitions'),
    'spreadInheritance(relation, closure)',
    'void relation',
  ],
  ['parents are not followed', protection('follows inheritance and partitions'), '...relation.parents, ', '', 'function spreadInheritance'],
  [
    'partitions and children are not followed',
    protection('follows inheritance and partitions'),
    ', ...relation.children',
    '',
    'function spreadInheritance',
  ],
  [
    'generated columns are not followed',
    protection('follows generated columns'),
    'closure.add(relation, column.name, closure.sourcesOf(relation.oid, source))',
    'void source',
  ],
  ['foreign keys are not followed', protection('follows foreign keys'), 'spreadReferences(relation, closure)', 'void relation'],
  [
    'columns that hold rows are not followed',
    protection('follows columns that hold whole rows'),
    'spreadRowTypes(relation, closure)',
    'void relation',
  ],
  ['views are not followed', protection('follows views over views'), 'spreadView(oid, facts, closure)', 'void oid'],
  ['the closure ends after one round', protection('follows views over views'), 'while (closure.changed)', 'while (false)'],
  [
    'views that cannot be analysed are clean',
    protection('protects every column of a view that cannot'),
    'if (facts.outputs === null) {',
    'if (facts.outputs === null) { return;',
    'function spreadView',
  ],
  ['foreign tables and opaque columns are clean', protection('counts foreign tables'), 'applyOpaque(relations, closure)', 'void 0'],
  ['views that read protected columns inside are harmless', protection('notes views that read'), 'touched.has(oid)', 'false'],
  ['writes that run opaque code are harmless', protection('marks writes that run'), 'opaque.has(oid)', 'false', 'return {'],
  ['partitions that tell a value are harmless', protection('knows partitions whose rows'), 'telling.partitions.has(oid)', 'false'],
]);

export const MUTANTS: readonly Mutant[] = [...tripwire, ...scrubber, ...walker, ...roundTrip, ...vocabulary, ...bound, ...closure];
