// What the rest of the gateway uses of the Snowflake engine.

export {
  buildSnowflakeCatalogue,
  type CatalogueQueries,
  type CatalogueRows,
  type ColumnRow,
  type DefinitionRow,
  SNOWFLAKE_CATALOGUE_QUERIES,
  type TableRow,
} from './catalogue.ts';
export { statementSha256 } from './digest.ts';
export { loadSnowflakeParsers, type SnowflakeParsers } from './parsers.ts';
export { planSnowflake } from './plan.ts';
export { protectSnowflake } from './protect.ts';
