// Types of the HTTP API for the console, from the OpenAPI document that the API itself publishes. A test compares them with
// console/src/api/types.ts; `node scripts/console-types.ts` writes that file anew.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApi } from '../src/api/app.ts';
import { createFakes } from '../src/api/testing.ts';
import { readCommandLine } from './command-line.ts';

const FILE = join(import.meta.dirname, '..', 'console', 'src', 'api', 'types.ts');

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly description?: string;
}

interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean; readonly schema: Schema }[];
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses?: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>>;
}

const METHODS = ['get', 'post', 'put', 'delete'] as const;

/** @throws for a construct of JSON Schema that no route has used yet: a type that is guessed would be worse than none. */
export async function consoleTypes(): Promise<string> {
  const api = await buildApi(createFakes().deps, null);
  const document = api.swagger() as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  await api.close();
  const lines: string[] = [];
  for (const [path, methods] of Object.entries(document.paths).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    for (const method of METHODS) {
      const operation = methods[method];
      if (operation === undefined) continue;
      if (operation.summary !== undefined) lines.push(`  /** ${operation.summary.replaceAll('*/', '* /')} */`);
      lines.push(`  readonly '${method.toUpperCase()} ${path}': {`);
      lines.push(`    readonly path: ${parametersIn(operation, 'path')};`);
      lines.push(`    readonly query: ${parametersIn(operation, 'query')};`);
      lines.push(`    readonly body: ${bodyOf(operation)};`);
      lines.push(`    readonly answer: ${answerOf(operation)};`);
      lines.push('  };');
    }
  }
  return `// Made by scripts/console-types.ts from the OpenAPI document of the API. Not edited by hand.

export interface Api {
${lines.join('\n')}
}
`;
}

function parametersIn(operation: Operation, place: 'path' | 'query'): string {
  const own = (operation.parameters ?? []).filter((parameter) => parameter.in === place);
  if (own.length === 0) return 'undefined';
  return typeOf({
    type: 'object',
    properties: Object.fromEntries(own.map(({ name, schema }) => [name, schema])),
    required: own.filter(({ required }) => required === true).map(({ name }) => name),
    additionalProperties: false,
  });
}

function bodyOf(operation: Operation): string {
  const schema = operation.requestBody?.content?.['application/json']?.schema;
  return schema === undefined ? 'undefined' : typeOf(schema);
}

function answerOf(operation: Operation): string {
  const good = Object.entries(operation.responses ?? {}).filter(([status]) => status.startsWith('2'));
  const types = good.map(([, { content }]) => {
    const schema = content?.['application/json']?.schema;
    return schema === undefined ? 'unknown' : typeOf(schema);
  });
  return types.length === 0 ? 'unknown' : [...new Set(types)].join(' | ');
}

function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) throw new Error(`a reference in the OpenAPI document: ${schema.$ref}`);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice !== undefined) return [...new Set(choice.map(inUnion))].join(' | ');
  if (schema.allOf !== undefined) return schema.allOf.map((part) => `(${typeOf(part)})`).join(' & ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => inUnion({ ...schema, type })).join(' | ');
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'array':
      if (schema.prefixItems !== undefined) return `readonly [${schema.prefixItems.map(typeOf).join(', ')}]`;
      return `readonly (${typeOf(schema.items ?? {})})[]`;
    case 'object':
      return objectOf(schema);
    case undefined:
      return 'unknown';
    default:
      throw new Error(`a schema of type ${String(schema.type)}`);
  }
}

/** A type that may stand beside `|`. */
function inUnion(schema: Schema): string {
  const type = typeOf(schema);
  return schema.allOf === undefined ? type : `(${type})`;
}

function objectOf({ properties = {}, required = [], additionalProperties }: Schema): string {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
    const comment = schema.description === undefined ? '' : `/** ${schema.description.replaceAll('*/', '* /')} */\n`;
    return `${comment}readonly ${key}${required.includes(name) ? '' : '?'}: ${typeOf(schema)};`;
  });
  const rest = typeof additionalProperties === 'object' ? typeOf(additionalProperties) : 'unknown';
  const isOpen = additionalProperties !== undefined && additionalProperties !== false;
  if (fields.length === 0) return isOpen ? `Readonly<Record<string, ${rest}>>` : '{}';
  const object = `{ ${fields.join(' ')} }`;
  return isOpen ? `${object} & Readonly<Record<string, ${Object.keys(properties).length > 0 ? 'unknown' : rest}>>` : object;
}

if (import.meta.main) {
  readCommandLine('Writes console/src/api/types.ts from the OpenAPI document of the API.\n\nUsage: node scripts/console-types.ts\n', {});
  writeFileSync(FILE, await consoleTypes());
}
