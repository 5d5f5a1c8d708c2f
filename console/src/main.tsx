import './ui/base.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { Problem } from './api/client.ts';
import { Live } from './api/live.ts';
import { App } from './app.tsx';
import { LiveContext } from './session.tsx';
import { Toasts } from './ui/toast.tsx';

/** A refusal is an answer; only silence is worth another try. */
const isWorthRetrying = (failures: number, fault: Error): boolean => failures < 3 && fault instanceof Problem && fault.status === 0;

const client = new QueryClient({
  defaultOptions: { queries: { staleTime: 30_000, retry: isWorthRetrying, refetchOnWindowFocus: true } },
});

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
