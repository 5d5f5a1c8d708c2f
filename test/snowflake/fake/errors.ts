// Errors as Snowflake gives them, and DuckDB's in Snowflake's words.

export class SnowflakeFault extends Error {
  /** Six digits. */
  readonly code: string;
  readonly sqlState: string;

  constructor(code: string, sqlState: string, message: string) {
    super(message);
    this.code = code;
    this.sqlState = sqlState;
  }
}

const compilation = 'SQL compilation error:\n';

/** DuckDB's error as Snowflake would say it, with the values that Snowflake quotes. */
export function faultOf(error: unknown): SnowflakeFault {
  if (error instanceof SnowflakeFault) return error;
  const text = error instanceof Error ? error.message : String(error);
  const [first = ''] = text.split('\n');
  const missing = /Table with name (\S+) does not exist/.exec(text) ?? /(?:View|Schema|Catalog) with name "?([^ "!]+)/.exec(text);
  if (missing !== null)
    return new SnowflakeFault('002003', '42S02', `${compilation}Object '${missing[1]?.toUpperCase()}' does not exist or not authorized.`);
  const fn = /Function with name (\S+) does not exist/i.exec(text);
  if (fn !== null) return new SnowflakeFault('002140', '42601', `${compilation}Unknown function ${fn[1]?.toUpperCase()}`);
  const column = /Referenced column "([^"]+)" not found|column (?:named )?"([^"]+)"/i.exec(text);
  if (text.startsWith('Binder Error') && column !== null)
    return new SnowflakeFault(
      '000904',
      '42000',
      `${compilation}error line 1 at position 7\ninvalid identifier '${(column[1] ?? column[2])?.toUpperCase()}'`,
    );
  if (/already exists/.test(text)) {
    const name = /"([^"]+)"/.exec(text)?.[1] ?? '';
    return new SnowflakeFault('002002', '42710', `${compilation}Object '${name}' already exists.`);
  }
  const number =
    /Could not convert string ['"]([^'"]*)['"] to (\w+)/.exec(text) ?? /invalid (?:date|timestamp) field format: "([^"]*)"()/.exec(text);
  if (number !== null)
    return /DATE|TIME/.test(text)
      ? new SnowflakeFault('100040', '22007', `Date '${number[1]}' is not recognized`)
      : new SnowflakeFault('100038', '22018', `Numeric value '${number[1]}' is not recognized`);
  if (text.startsWith('Constraint Error')) return new SnowflakeFault('100072', '22000', 'NULL result in a non-nullable column');
  if (/^Out of Range|^Invalid Input/.test(text)) return new SnowflakeFault('100132', '22000', first);
  const near = /at or near "([^"]*)"/.exec(text)?.[1] ?? '<EOF>';
  if (text.startsWith('Parser Error'))
    return new SnowflakeFault('001003', '42000', `${compilation}syntax error line 1 at position 0 unexpected '${near}'.`);
  return new SnowflakeFault('002000', '42601', `${compilation}${first}`);
}

export const cancelled = (): SnowflakeFault => new SnowflakeFault('000604', '57014', 'SQL execution canceled');
