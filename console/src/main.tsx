import './ui/base.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { Live } from './api/live.ts';
import { presence } from './api/presence.ts';
import { createQueryClient } from './api/query-client.ts';
import { reloadWhenRestored } from './api/restored.ts';
import { App } from './app.tsx';
import { LiveContext } from './session.tsx';
import { Toasts } from './ui/toast.tsx';

const client = createQueryClient();
presence.watch(window);
reloadWhenRestored(window, () => location.reload());

const root = document.querySelector('#app');
if (root === null) throw new Error('the page has no place for the app');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <LiveContext value={new Live(client)}>
        <Router base="/console">
          <Toasts>
            <App />
          </Toasts>
        </Router>
      </LiveContext>
    </QueryClientProvider>
  </StrictMode>,
);
