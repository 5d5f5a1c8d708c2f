// Recognisers of protected data in names and values of columns. Pure: nothing is kept of what they look at.

export { type ColumnKind, type ColumnToJudge, evidenceText, judgeColumn, type Proposal } from './columns.ts';
export { recognise, VALUE_KINDS, type ValueKind } from './values.ts';
