// Checks events against the published OCSF schema (test/fixtures/ocsf): attributes, requirements, types, enumerations, constraints.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Attribute {
  readonly type: string;
  readonly isObject?: true;
  readonly isArray?: true;
  readonly required?: true;
  readonly profiles?: readonly string[];
  readonly enum?: readonly string[];
}
interface Shape {
  readonly constraints: { readonly at_least_one?: readonly string[]; readonly just_one?: readonly string[] };
  readonly attributes: Readonly<Record<string, Attribute>>;
}
interface Schema {
  readonly version: string;
  readonly types: Readonly<
    Record<string, { readonly type?: string; readonly regex?: string; readonly range?: readonly number[]; readonly max_len?: number }>
  >;
  readonly classes: Readonly<
    Record<string, Shape & { readonly caption: string; readonly category: number; readonly activities: Readonly<Record<string, string>> }>
  >;
  readonly objects: Readonly<Record<string, Shape>>;
}

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/ocsf/schema-1.8.0.json'), 'utf8')) as Schema;

/** What is wrong with an event; empty = it is valid. */
export function ocsfFaults(event: Readonly<Record<string, unknown>>): string[] {
  const shape = schema.classes[String(event['class_uid'])];
  if (shape === undefined) return [`no class ${String(event['class_uid'])}`];
  const faults: string[] = [];
  const metadata = event['metadata'] as { version?: unknown; profiles?: readonly string[] } | undefined;
  const profiles = new Set(metadata?.profiles);
  if (metadata?.version !== schema.version) faults.push('metadata.version is not that of the schema');
  if (event['category_uid'] !== shape.category) faults.push('category_uid is not that of the class');
  if (event['class_name'] !== shape.caption) faults.push('class_name is not that of the class');
  const activity = event['activity_id'] as number;
  if (event['type_uid'] !== Number(event['class_uid']) * 100 + activity) faults.push('type_uid is not class and activity');
  if (activity !== 99 && event['activity_name'] !== shape.activities[activity]) faults.push('activity_name is not that of the activity');
  checkShape(event, shape, profiles, '', faults);
  return faults;
}

function checkShape(
  value: Readonly<Record<string, unknown>>,
  shape: Shape,
  profiles: ReadonlySet<string>,
  at: string,
  faults: string[],
): void {
  const isOurs = ({ profiles: of }: Attribute): boolean => of === undefined || of.some((profile) => profiles.has(profile));
  for (const [name, attribute] of Object.entries(shape.attributes)) {
    if (attribute.required === true && isOurs(attribute) && value[name] === undefined) faults.push(`${at}${name} is missing`);
  }
  for (const [name, given] of Object.entries(value)) {
    const attribute = shape.attributes[name];
    if (attribute === undefined) faults.push(`${at}${name} is not in the schema`);
    else if (!isOurs(attribute)) faults.push(`${at}${name} needs a profile that the event does not name`);
    else if (attribute.isArray === true && !Array.isArray(given)) faults.push(`${at}${name} is no array`);
    else
      for (const each of attribute.isArray === true ? (given as unknown[]) : [given])
        checkValue(each, attribute, profiles, `${at}${name}`, faults);
  }
  const { at_least_one: some, just_one: one } = shape.constraints;
  if (some !== undefined && !some.some((name) => value[name] !== undefined)) faults.push(`${at} has none of ${some.join(', ')}`);
  if (one !== undefined && one.filter((name) => value[name] !== undefined).length !== 1)
    faults.push(`${at} has not one of ${one.join(', ')}`);
}

function checkValue(value: unknown, attribute: Attribute, profiles: ReadonlySet<string>, at: string, faults: string[]): void {
  if (attribute.isObject === true) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return void faults.push(`${at} is no object`);
    if (attribute.type === 'object') return;
    const shape = schema.objects[attribute.type];
    if (shape === undefined) return void faults.push(`${at}: ${attribute.type} was not kept in the fixture`);
    return checkShape(value as Record<string, unknown>, shape, profiles, `${at}.`, faults);
  }
  if (attribute.enum !== undefined && typeof value === 'number' && !attribute.enum.includes(String(value)))
    faults.push(`${at} has no ${value}`);
  for (let name: string | undefined = attribute.type; name !== undefined;) {
    const type: Schema['types'][string] | undefined = schema.types[name];
    if (type === undefined) return void faults.push(`${at}: unknown type ${name}`);
    if (type.regex !== undefined && !(typeof value === 'string' && new RegExp(type.regex).test(value))) faults.push(`${at} is no ${name}`);
    if (type.max_len !== undefined && String(value).length > type.max_len) faults.push(`${at} is too long`);
    if (type.range !== undefined && !(Number(value) >= (type.range[0] ?? 0) && Number(value) <= (type.range[1] ?? 0)))
      faults.push(`${at} is out of range`);
    if (type.type === undefined) checkBase(name, value, at, faults);
    name = type.type;
  }
}

function checkBase(type: string, value: unknown, at: string, faults: string[]): void {
  const isGood =
    type === 'boolean_t'
      ? typeof value === 'boolean'
      : type === 'integer_t' || type === 'long_t'
        ? Number.isSafeInteger(value)
        : type === 'float_t'
          ? typeof value === 'number'
          : type === 'string_t'
            ? typeof value === 'string'
            : type === 'json_t';
  if (!isGood) faults.push(`${at} is no ${type}`);
}
