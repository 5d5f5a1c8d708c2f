// What the policy says: for one statement, for every role, over time, and what another version would change.

import './policy.css';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import { useMay } from '../../session.tsx';
import { ExplainTab } from './explain.tsx';
import { HistoryTab } from './history.tsx';
import { MatrixTab } from './matrix.tsx';
import { TextTab } from './text.tsx';
import { TryTab } from './try.tsx';

const TABS = [
  { path: '/policy/explain', title: 'Explain', Tab: ExplainTab, isOversight: false },
  { path: '/policy/matrix', title: 'Matrix', Tab: MatrixTab, isOversight: true },
  { path: '/policy/try', title: 'Dry run', Tab: TryTab, isOversight: true },
  { path: '/policy/history', title: 'History', Tab: HistoryTab, isOversight: true },
  { path: '/policy/text', title: 'In force', Tab: TextTab, isOversight: true },
] as const;

export default function PolicyPage() {
  const sees = useMay('oversight');
  const [location] = useLocation();
  const tabs = TABS.filter(({ isOversight }) => sees || !isOversight);
  return (
    <>
      <div className="page-head">
        <h1>Policy</h1>
      </div>
      <nav className="tabs policy-tabs" aria-label="Policy">
        {tabs.map(({ path, title }) => (
          <Link key={path} href={path} className="tab" aria-current={location === path ? 'page' : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      <Switch>
        {tabs.map(({ path, Tab }) => (
          <Route key={path} path={path}>
            <Tab />
          </Route>
        ))}
        <Route>
          <Redirect to="/policy/explain" replace />
        </Route>
      </Switch>
    </>
  );
}
