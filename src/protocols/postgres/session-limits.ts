// What one session may use. Sizes in bytes, times in milliseconds.

export interface SessionLimits {
  /** Largest client message. */
  readonly maxMessageBytes: number;
  /** Largest upstream message other than a row. */
  readonly maxUpstreamMessageBytes: number;
  /** Largest row of an answer, its header included; a larger one is refused with the statement. */
  readonly maxRowBytes: number;
  /** A started client message must go on within this time. */
  readonly messageTimeoutMs: number;
  /** A client that does not take its result for so long is cut off. */
  readonly stalledClientMs: number;
  /** Silence between requests; null = no limit. */
  readonly idleMs: number | null;
  /** Prepared statements and portals of one session. */
  readonly maxPrepared: number;
  /** Kept of each result for replay; 0 rows = none. */
  readonly recordRows: number;
  readonly recordBytes: number;
}
