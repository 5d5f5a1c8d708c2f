// Keyboard shortcuts: one letter, or two after each other ("g a"). Not while somebody types, and not with a modifier.

import { useLayoutEffect, useRef } from 'react';

export type Keys = Readonly<Record<string, () => void>>;

/** Of which component does a key belong to: the last one mounted that knows it. */
const layers: { current: Keys }[] = [];
let first: string | null = null;
let timer: ReturnType<typeof setTimeout> | null = null;
const sequenceMs = 1000;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function pressed(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) return;
  // A modal dialog has the keyboard for itself.
  if (document.querySelector('dialog[open]') !== null) return;
  const name = first === null ? event.key : `${first} ${event.key}`;
  first = null;
  if (timer !== null) clearTimeout(timer);
  const layer = layers.findLast(({ current }) => current[name] !== undefined);
  if (layer !== undefined) {
    event.preventDefault();
    layer.current[name]?.();
  } else if (layers.some(({ current }) => Object.keys(current).some((key) => key.startsWith(`${name} `)))) {
    first = name;
    timer = setTimeout(() => (first = null), sequenceMs);
  }
}

export function useKeys(keys: Keys): void {
  const layer = useRef(keys);
  // Before it is shown: who sees a page can use its keys.
  useLayoutEffect(() => {
    layer.current = keys;
  });
  useLayoutEffect(() => {
    if (layers.length === 0) document.addEventListener('keydown', pressed);
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      if (layers.length === 0) document.removeEventListener('keydown', pressed);
    };
  }, []);
}
