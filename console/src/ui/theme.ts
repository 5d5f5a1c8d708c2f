// Light, dark, or as the system has it; kept in the browser.

import { useSyncExternalStore } from 'react';

export type Theme = 'light' | 'dark' | 'system';

const KEY = 'sallyport-theme';
const listeners = new Set<() => void>();

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system'; // storage is switched off
  }
}

let theme = stored();
show();

function show(): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const current = useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => theme,
  );
  return [current, setTheme];
}

function setTheme(wanted: Theme): void {
  theme = wanted;
  try {
    localStorage.setItem(KEY, wanted);
  } catch {
    // Then only for as long as the page is open.
  }
  show();
  for (const listener of listeners) listener();
}
