// Navigation, who is logged in, whether the page is live, light or dark. A bar at the side, or at the bottom of a phone.

import { LogOut, Menu, Monitor, Moon, Sun } from 'lucide-react';
import type { ReactNode } from 'react';
import { useEffect, useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { send, HEADERS } from './api/client.ts';
import type { Area } from './areas.ts';
import { usePending } from './areas/approvals/queries.ts';
import { useLiveState, useViewer } from './session.tsx';
import { Dialog } from './ui/dialog.tsx';
import { useKeys } from './ui/keys.ts';
import { type Theme, useTheme } from './ui/theme.ts';

/** Places of the bar of a phone; the others are behind "More". */
const PHONE_PLACES = 4;

export function Shell({ areas, children }: { readonly areas: readonly Area[]; readonly children: ReactNode }) {
  const [location, navigate] = useLocation();
  const [helps, setHelps] = useState(false);
  const [isMore, setMore] = useState(false);
  const pending = usePending();
  const main = useRef<HTMLElement>(null);
  const current = areas.find(({ path }) => location === path || location.startsWith(`${path}/`));
  const count = pending.length;
  useEffect(() => {
    document.title = `${count > 0 ? `(${count}) ` : ''}${current?.title ?? 'Sallyport'} · Sallyport`;
  }, [count, current]);
  useKeys({
    ...Object.fromEntries(areas.map(({ key, path }) => [`g ${key}`, () => navigate(path)])),
    '?': () => setHelps(true),
  });
  const link = ({ path, title, Icon }: Area) => (
    <Link
      key={path}
      href={path}
      className="nav-link"
      aria-current={current?.path === path ? 'page' : undefined}
      onClick={() => setMore(false)}
    >
      <Icon aria-hidden="true" size={20} />
      <span>{title}</span>
      {path === '/approvals' && count > 0 && (
        <span className="nav-count" aria-label={`${count} waiting`}>
          {count > 99 ? '99+' : count}
        </span>
      )}
    </Link>
  );
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={() => main.current?.focus()}>
        Skip to the content
      </a>
      <header className="side">
        <div className="brand">
          <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
            <rect width="32" height="32" rx="7" className="brand-back" />
            <path d="M8 24V14a8 8 0 0 1 16 0v10h-4V14a4 4 0 0 0-8 0v10z" className="brand-gate" />
          </svg>
          <span>Sallyport</span>
        </div>
        <nav aria-label="Areas" className="nav">
          {areas.map(link)}
        </nav>
        <Account />
      </header>
      <main id="main" ref={main} tabIndex={-1} className="main">
        <LiveLine />
        {children}
      </main>
      <nav aria-label="Areas, for phones" className="bar">
        {areas.slice(0, PHONE_PLACES).map(link)}
        <button type="button" className="nav-link" aria-expanded={isMore} onClick={() => setMore(true)}>
          <Menu aria-hidden="true" size={20} />
          <span>More</span>
        </button>
      </nav>
      <Dialog isOpen={isMore} title="More" close={() => setMore(false)}>
        <div className="more">
          {areas.slice(PHONE_PLACES).map(link)}
          <Account />
        </div>
      </Dialog>
      <Dialog isOpen={helps} title="Keyboard" close={() => setHelps(false)}>
        <dl className="keys">
          {[
            ...areas.map(({ key, title }) => [`g ${key}`, `Go to ${title.toLowerCase()}`]),
            ['j / k', 'Next, previous in a list'],
            ['Enter', 'Open'],
            ['a / d', 'Approve, deny the open one'],
            ['/', 'Search'],
            ['Esc', 'Close, back'],
            ['?', 'This list'],
          ].map(([keys, what]) => (
            <div key={keys}>
              <dt>{(keys ?? '').split(' ').map((part) => (part === '/' ? ' / ' : <kbd key={part}>{part}</kbd>))}</dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </Dialog>
    </div>
  );
}

function LiveLine() {
  const state = useLiveState();
  if (state !== 'lost') return null;
  return (
    <p className="note note-hold live-line" role="status">
      The connection to the gateway is lost. What you see may be old; trying again.
    </p>
  );
}

const THEMES: readonly { readonly theme: Theme; readonly label: string; readonly Icon: typeof Sun }[] = [
  { theme: 'light', label: 'Light', Icon: Sun },
  { theme: 'dark', label: 'Dark', Icon: Moon },
  { theme: 'system', label: 'As the system', Icon: Monitor },
];

function Account() {
  const viewer = useViewer();
  const [theme, setTheme] = useTheme();
  const logOut = async (): Promise<void> => {
    await send('/console/logout', { method: 'POST', headers: HEADERS }).catch(() => undefined);
    // Everything that was read goes with the page.
    location.assign('/console/');
  };
  return (
    <div className="account">
      <div className="account-who">
        <strong>{viewer.name}</strong>
        <small className="quiet">{viewer.roles.join(', ') || 'no role'}</small>
      </div>
      <div className="account-tools">
        <div role="group" aria-label="Colours" className="segments">
          {THEMES.map(({ theme: each, label, Icon }) => (
            <button key={each} type="button" aria-pressed={theme === each} title={label} onClick={() => setTheme(each)}>
              <Icon aria-hidden="true" size={16} />
              <span className="hidden">{label}</span>
            </button>
          ))}
        </div>
        <button type="button" className="button button-quiet" title="Log out" onClick={() => void logOut()}>
          <LogOut aria-hidden="true" size={16} />
          <span className="hidden">Log out</span>
        </button>
      </div>
    </div>
  );
}
