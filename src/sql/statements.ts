// What a statement may be. One row per statement node: who plans it, or what it does at most when nothing is masked for
// the principal (then it passes as written). REFUSES: statements without a row, and every opaque one under masks.

import type { Effect } from '../core/facts.ts';
import { copyStatement } from './statements-copy.ts';
import { alterTable, createTable, createTableAs, drop, truncate } from './statements-ddl.ts';
import { analysed, close, deallocate, declare, execute, explain, fetch, prepare, query } from './statements-query.ts';
import { constraintsSet, discard, listen, setVariable, showVariable, transaction } from './statements-session.ts';
import type { StatementPlan } from './statements-plan.ts';
import type { Body } from './rewrite.ts';

type Planner = (plan: StatementPlan, body: Body) => void;

interface StatementRow {
  readonly verb: string;
  /** Plans the statement under masks. */
  readonly plan?: Planner;
  /** Without `plan`: effects when nothing is masked. */
  readonly opaque?: readonly Effect[];
}

const everything: readonly Effect[] = ['read', 'write', 'ddl', 'call'];
const ddl: readonly Effect[] = ['ddl'];
const admin: readonly Effect[] = ['ddl', 'admin'];
const opaque = (verb: string, effects: readonly Effect[]): StatementRow => ({ verb, opaque: effects });

export const STATEMENTS: Readonly<Record<string, StatementRow>> = {
  SelectStmt: { verb: 'SELECT', plan: query },
  InsertStmt: { verb: 'INSERT', plan: analysed },
  UpdateStmt: { verb: 'UPDATE', plan: analysed },
  DeleteStmt: { verb: 'DELETE', plan: analysed },
  MergeStmt: { verb: 'MERGE', plan: analysed },
  CopyStmt: { verb: 'COPY', plan: copyStatement },
  ExplainStmt: { verb: 'EXPLAIN', plan: explain },
  PrepareStmt: { verb: 'PREPARE', plan: prepare },
  ExecuteStmt: { verb: 'EXECUTE', plan: execute },
  DeallocateStmt: { verb: 'DEALLOCATE', plan: deallocate },
  DeclareCursorStmt: { verb: 'DECLARE CURSOR', plan: declare },
  FetchStmt: { verb: 'FETCH', plan: fetch },
  ClosePortalStmt: { verb: 'CLOSE', plan: close },
  TransactionStmt: { verb: 'TRANSACTION', plan: transaction },
  ConstraintsSetStmt: { verb: 'SET CONSTRAINTS', plan: constraintsSet },
  VariableSetStmt: { verb: 'SET', plan: setVariable },
  VariableShowStmt: { verb: 'SHOW', plan: showVariable },
  DiscardStmt: { verb: 'DISCARD', plan: discard },
  CreateStmt: { verb: 'CREATE TABLE', plan: createTable },
  CreateTableAsStmt: { verb: 'CREATE TABLE AS', plan: createTableAs },
  AlterTableStmt: { verb: 'ALTER TABLE', plan: alterTable },
  DropStmt: { verb: 'DROP', plan: drop },
  TruncateStmt: { verb: 'TRUNCATE TABLE', plan: truncate },

  DoStmt: opaque('DO', everything),
  CallStmt: opaque('CALL', everything),
  LockStmt: opaque('LOCK TABLE', ['write']),
  ListenStmt: { verb: 'LISTEN', plan: listen },
  UnlistenStmt: opaque('UNLISTEN', []),
  NotifyStmt: opaque('NOTIFY', ['write']),
  CreateFunctionStmt: opaque('CREATE FUNCTION', ddl),
  AlterFunctionStmt: opaque('ALTER FUNCTION', ddl),
  CreateTrigStmt: opaque('CREATE TRIGGER', ddl),
  RuleStmt: opaque('CREATE RULE', ddl),
  ViewStmt: opaque('CREATE VIEW', ddl),
  RefreshMatViewStmt: opaque('REFRESH MATERIALIZED VIEW', ['read', 'write', 'ddl']),
  IndexStmt: opaque('CREATE INDEX', ddl),
  ReindexStmt: opaque('REINDEX', ddl),
  CreateSeqStmt: opaque('CREATE SEQUENCE', ddl),
  AlterSeqStmt: opaque('ALTER SEQUENCE', ddl),
  CreateSchemaStmt: opaque('CREATE SCHEMA', ddl),
  CreateStatsStmt: opaque('CREATE STATISTICS', ddl),
  AlterStatsStmt: opaque('ALTER STATISTICS', ddl),
  CreateDomainStmt: opaque('CREATE DOMAIN', ddl),
  AlterDomainStmt: opaque('ALTER DOMAIN', ddl),
  CreateEnumStmt: opaque('CREATE TYPE', ddl),
  AlterEnumStmt: opaque('ALTER TYPE', ddl),
  AlterTypeStmt: opaque('ALTER TYPE', ddl),
  CompositeTypeStmt: opaque('CREATE TYPE', ddl),
  CreateRangeStmt: opaque('CREATE TYPE', ddl),
  DefineStmt: opaque('CREATE OBJECT', ddl),
  CreateCastStmt: opaque('CREATE CAST', ddl),
  CreateConversionStmt: opaque('CREATE CONVERSION', ddl),
  CreateTransformStmt: opaque('CREATE TRANSFORM', ddl),
  CreateOpClassStmt: opaque('CREATE OPERATOR CLASS', ddl),
  CreateOpFamilyStmt: opaque('CREATE OPERATOR FAMILY', ddl),
  AlterOpFamilyStmt: opaque('ALTER OPERATOR FAMILY', ddl),
  AlterOperatorStmt: opaque('ALTER OPERATOR', ddl),
  AlterCollationStmt: opaque('ALTER COLLATION', ddl),
  CreateAmStmt: opaque('CREATE ACCESS METHOD', admin),
  AlterTSDictionaryStmt: opaque('ALTER TEXT SEARCH DICTIONARY', ddl),
  AlterTSConfigurationStmt: opaque('ALTER TEXT SEARCH CONFIGURATION', ddl),
  CreatePolicyStmt: opaque('CREATE POLICY', admin),
  AlterPolicyStmt: opaque('ALTER POLICY', admin),
  RenameStmt: opaque('ALTER RENAME', ddl),
  AlterObjectSchemaStmt: opaque('ALTER SET SCHEMA', ddl),
  AlterObjectDependsStmt: opaque('ALTER DEPENDS', ddl),
  AlterOwnerStmt: opaque('ALTER OWNER', admin),
  CommentStmt: opaque('COMMENT', ddl),
  SecLabelStmt: opaque('SECURITY LABEL', admin),
  GrantStmt: opaque('GRANT', admin),
  GrantRoleStmt: opaque('GRANT ROLE', admin),
  AlterDefaultPrivilegesStmt: opaque('ALTER DEFAULT PRIVILEGES', admin),
  DropOwnedStmt: opaque('DROP OWNED', admin),
  VacuumStmt: opaque('VACUUM', ['write', 'admin']),
  ClusterStmt: opaque('CLUSTER', admin),
  CheckPointStmt: opaque('CHECKPOINT', ['admin']),
  CreateExtensionStmt: opaque('CREATE EXTENSION', admin),
  AlterExtensionStmt: opaque('ALTER EXTENSION', admin),
  AlterExtensionContentsStmt: opaque('ALTER EXTENSION', admin),
  CreateEventTrigStmt: opaque('CREATE EVENT TRIGGER', admin),
  AlterEventTrigStmt: opaque('ALTER EVENT TRIGGER', admin),
  CreatePublicationStmt: opaque('CREATE PUBLICATION', admin),
  AlterPublicationStmt: opaque('ALTER PUBLICATION', admin),
};
