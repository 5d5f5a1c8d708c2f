// A session as the engine asks it, which remembers whether the answer depended on what only this session has.

import type { SnowflakeSession } from '../../sql/snowflake/types.ts';

export class WatchedSession implements SnowflakeSession {
  readonly database: string | null;
  readonly schema: string | null;
  readonly variables: SnowflakeSession['variables'];
  readonly own: SnowflakeSession['own'];
  /** It has a variable or a relation that was asked for. */
  hasFound = false;
  /** Of this or another session; also of one that there is not. */
  askedForResults = false;
  readonly #session: SnowflakeSession;

  constructor(session: SnowflakeSession) {
    this.#session = session;
    this.database = session.database;
    this.schema = session.schema;
    const onFound = (): void => {
      this.hasFound = true;
    };
    this.variables = new WatchedMap(session.variables, onFound);
    this.own = new WatchedMap(session.own, onFound);
  }

  result(queryId: string): ReturnType<SnowflakeSession['result']> {
    this.askedForResults = true;
    return this.#session.result(queryId);
  }

  get lastQueryId(): string | null {
    this.askedForResults = true;
    return this.#session.lastQueryId;
  }
}

/** Tells when something was found; whoever looks at all of it has found what is there. */
class WatchedMap<K, V> implements ReadonlyMap<K, V> {
  readonly #map: ReadonlyMap<K, V>;
  readonly #onFound: () => void;

  constructor(map: ReadonlyMap<K, V>, onFound: () => void) {
    this.#map = map;
    this.#onFound = onFound;
  }

  get size(): number {
    return this.#all().size;
  }

  get(key: K): V | undefined {
    if (this.#map.has(key)) this.#onFound();
    return this.#map.get(key);
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  entries(): MapIterator<[K, V]> {
    return this.#all().entries();
  }

  keys(): MapIterator<K> {
    return this.#all().keys();
  }

  values(): MapIterator<V> {
    return this.#all().values();
  }

  forEach(use: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.#all()) use(value, key, this);
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  #all(): ReadonlyMap<K, V> {
    if (this.#map.size > 0) this.#onFound();
    return this.#map;
  }
}
