// Name of an output column without AS: PostgreSQL's FigureColname (parse_target.c). A strong name comes from a column or
// a function; a weak one from a cast or CASE and gives way to what is inside.

import type { Node } from './parser.ts';

interface Figured {
  readonly name: string;
  readonly strength: 0 | 1 | 2;
}

const none: Figured = { name: '?column?', strength: 0 };
const strong = (name: string): Figured => ({ name, strength: 2 });

const fixedNames: Readonly<Record<string, string>> = {
  GroupingFunc: 'grouping',
  MergeSupportFunc: 'merge_action',
  A_ArrayExpr: 'array',
  RowExpr: 'row',
  CoalesceExpr: 'coalesce',
  XmlSerialize: 'xmlserialize',
  JsonParseExpr: 'json',
  JsonScalarExpr: 'json_scalar',
  JsonSerializeExpr: 'json_serialize',
  JsonObjectConstructor: 'json_object',
  JsonArrayConstructor: 'json_array',
  JsonArrayQueryConstructor: 'json_array',
  JsonObjectAgg: 'json_objectagg',
  JsonArrayAgg: 'json_arrayagg',
};

const xmlNames: Readonly<Record<string, string>> = {
  IS_XMLCONCAT: 'xmlconcat',
  IS_XMLELEMENT: 'xmlelement',
  IS_XMLFOREST: 'xmlforest',
  IS_XMLPARSE: 'xmlparse',
  IS_XMLPI: 'xmlpi',
  IS_XMLROOT: 'xmlroot',
  IS_XMLSERIALIZE: 'xmlserialize',
};

const jsonNames: Readonly<Record<string, string>> = {
  JSON_EXISTS_OP: 'json_exists',
  JSON_QUERY_OP: 'json_query',
  JSON_VALUE_OP: 'json_value',
};

const valueNames: Readonly<Record<string, string>> = {
  SVFOP_CURRENT_DATE: 'current_date',
  SVFOP_CURRENT_TIME: 'current_time',
  SVFOP_CURRENT_TIME_N: 'current_time',
  SVFOP_CURRENT_TIMESTAMP: 'current_timestamp',
  SVFOP_CURRENT_TIMESTAMP_N: 'current_timestamp',
  SVFOP_LOCALTIME: 'localtime',
  SVFOP_LOCALTIME_N: 'localtime',
  SVFOP_LOCALTIMESTAMP: 'localtimestamp',
  SVFOP_LOCALTIMESTAMP_N: 'localtimestamp',
  SVFOP_CURRENT_ROLE: 'current_role',
  SVFOP_CURRENT_USER: 'current_user',
  SVFOP_USER: 'user',
  SVFOP_SESSION_USER: 'session_user',
  SVFOP_CURRENT_CATALOG: 'current_catalog',
  SVFOP_CURRENT_SCHEMA: 'current_schema',
};

export function stringOf(node: Node | undefined): string | null {
  return node !== undefined && 'String' in node ? (node.String.sval ?? '') : null;
}

/** All names in a list of String nodes; null when something else (a star) is among them. */
export function namesOf(nodes: readonly Node[] | undefined): readonly string[] | null {
  const names: string[] = [];
  for (const node of nodes ?? []) {
    const name = stringOf(node);
    if (name === null) return null;
    names.push(name);
  }
  return names;
}

/** @param firstColumn name of the first column of a sub-select. */
export function outputName(node: Node | undefined, firstColumn: (subselect: Node) => string): string {
  return figure(node, firstColumn).name;
}

function figure(node: Node | undefined, firstColumn: (subselect: Node) => string): Figured {
  if (node === undefined) return none;
  if ('ColumnRef' in node) return lastString(node.ColumnRef.fields) ?? none;
  if ('A_Indirection' in node) return lastString(node.A_Indirection.indirection) ?? figure(node.A_Indirection.arg, firstColumn);
  if ('FuncCall' in node) return lastString(node.FuncCall.funcname) ?? none;
  if ('A_Expr' in node) return node.A_Expr.kind === 'AEXPR_NULLIF' ? strong('nullif') : none;
  if ('TypeCast' in node) {
    const inner = figure(node.TypeCast.arg, firstColumn);
    const type = lastString(node.TypeCast.typeName?.names);
    return inner.strength <= 1 && type !== null ? { name: type.name, strength: 1 } : inner;
  }
  if ('CollateClause' in node) return figure(node.CollateClause.arg, firstColumn);
  if ('CaseExpr' in node) {
    const inner = figure(node.CaseExpr.defresult, firstColumn);
    return inner.strength <= 1 ? { name: 'case', strength: 1 } : inner;
  }
  if ('MinMaxExpr' in node) return strong(node.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest');
  if ('SQLValueFunction' in node) return table(valueNames, node.SQLValueFunction.op);
  if ('XmlExpr' in node) return table(xmlNames, node.XmlExpr.op);
  if ('JsonFuncExpr' in node) return table(jsonNames, node.JsonFuncExpr.op);
  if ('SubLink' in node) {
    const { subLinkType, subselect } = node.SubLink;
    if (subLinkType === undefined || subLinkType === 'EXISTS_SUBLINK') return strong('exists');
    if (subLinkType === 'ARRAY_SUBLINK') return strong('array');
    return subLinkType === 'EXPR_SUBLINK' && subselect !== undefined ? strong(firstColumn(subselect)) : none;
  }
  const [tag] = Object.keys(node);
  return table(fixedNames, tag);
}

function table(names: Readonly<Record<string, string>>, key: string | undefined): Figured {
  const name = key !== undefined && Object.hasOwn(names, key) ? names[key] : undefined;
  return name === undefined ? none : strong(name);
}

function lastString(nodes: readonly Node[] | undefined): Figured | null {
  for (const node of (nodes ?? []).toReversed()) {
    const name = stringOf(node);
    if (name !== null) return strong(name);
  }
  return null;
}
