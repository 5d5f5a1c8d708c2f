// The `data` of an answer of Snowflake, as far as results are concerned. Everything else in it passes as it came.

/** One column, as the drivers read it. */
export interface SnowflakeRowType {
  readonly name: string;
  readonly database?: string | null;
  readonly schema?: string | null;
  readonly table?: string | null;
  readonly nullable?: boolean;
  /** `fixed`, `text`, `timestamp_tz`, ... */
  readonly type: string;
  readonly length?: number | null;
  readonly byteLength?: number | null;
  readonly precision?: number | null;
  readonly scale?: number | null;
  /** Of structured OBJECT, ARRAY and MAP. */
  readonly fields?: readonly unknown[] | null;
  readonly [field: string]: unknown;
}

export interface SnowflakeChunk {
  readonly url: string;
  readonly rowCount: number;
  readonly uncompressedSize?: number;
  readonly compressedSize?: number;
  readonly [field: string]: unknown;
}

export type SnowflakeRow = readonly (string | null)[];

export interface SnowflakeQueryData {
  readonly rowtype?: readonly SnowflakeRowType[] | null;
  readonly rowset?: readonly SnowflakeRow[] | null;
  /** One Arrow IPC stream, or empty. */
  readonly rowsetBase64?: string | null;
  readonly chunks?: readonly SnowflakeChunk[] | null;
  /** Of requests for chunks; absent = made of `qrmk`. */
  readonly chunkHeaders?: Readonly<Record<string, string>> | null;
  /** Key of the chunks. No client ever gets it. */
  readonly qrmk?: string | null;
  /** Rows in all; `returned` = of this answer. */
  readonly total?: number;
  readonly returned?: number;
  readonly queryResultFormat?: string;
  readonly [field: string]: unknown;
}
