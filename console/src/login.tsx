// Nobody is logged in. The identity provider asks for proof; this page only says which ones there are.

import { useQuery } from '@tanstack/react-query';
import { LogIn } from 'lucide-react';
import { send } from './api/client.ts';
import { Fault, Loading } from './ui/states.tsx';

interface LoginOptions {
  readonly providers: readonly { readonly name: string; readonly label: string }[];
  readonly personas: readonly {
    readonly provider: string;
    readonly name: string;
    readonly displayName: string;
    readonly groups: readonly string[];
  }[];
}

export function LoginPage() {
  const options = useQuery({
    queryKey: ['login-options'],
    queryFn: async ({ signal }) => (await (await send('/console/login/options', { signal })).json()) as LoginOptions,
  });
  return (
    <main className="login">
      <section className="card login-card">
        <h1>Sallyport</h1>
        <p className="quiet">The gate between agents and protected data. Say who you are.</p>
        {options.isPending && <Loading what="log-in" />}
        {options.error !== null && <Fault fault={options.error} again={() => void options.refetch()} />}
        {options.data?.providers.length === 0 && (
          <p className="note">
            No identity provider of this gateway has a browser log-in. Add <code>console</code> to one in <code>sallyport.yaml</code>.
          </p>
        )}
        {options.data?.providers.map(({ name, label }) => (
          <a key={name} className="button button-primary login-button" href={loginUrl(name)}>
            <LogIn aria-hidden="true" size={18} /> Log in with {label}
          </a>
        ))}
        {(options.data?.personas.length ?? 0) > 0 && (
          <>
            <h2 className="login-personas">Development log-in as</h2>
            <ul className="plain login-list">
              {options.data?.personas.map(({ provider, name, displayName, groups }) => (
                <li key={`${provider}/${name}`}>
                  <a className="button login-button" href={loginUrl(provider, name)}>
                    <span>{displayName}</span>
                    <small className="quiet">{groups.join(', ')}</small>
                  </a>
                </li>
              ))}
            </ul>
          </>
        )}
      </section>
    </main>
  );
}

function loginUrl(provider: string, hint?: string): string {
  const here = location.pathname.startsWith('/console/') ? `${location.pathname}${location.search}` : '/console/';
  const query = new URLSearchParams({ provider, return: here, ...(hint === undefined ? {} : { hint }) });
  return `/console/login?${query.toString()}`;
}
