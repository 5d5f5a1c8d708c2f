// A value, or a promise of it. What is there already is used at once, without a turn of the event loop: on the hot path
// nearly nothing has to be waited for.

export type Soon<T> = T | Promise<T>;

export function andThen<T, U>(value: Soon<T>, use: (value: T) => Soon<U>): Soon<U> {
  return value instanceof Promise ? value.then(use) : use(value);
}
