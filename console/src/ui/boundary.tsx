import type { ReactNode } from 'react';
import { Component } from 'react';
import { Fault } from './states.tsx';

interface BoundaryState {
  readonly fault: Error | null;
}

/** A fault of one area does not take the others with it. */
export class Boundary extends Component<{ readonly children: ReactNode }, BoundaryState> {
  override state: BoundaryState = { fault: null };

  static getDerivedStateFromError(fault: unknown): BoundaryState {
    return { fault: fault instanceof Error ? fault : new Error('unknown') };
  }

  override render(): ReactNode {
    const { fault } = this.state;
    return fault === null ? this.props.children : <Fault fault={fault} again={() => this.setState({ fault: null })} />;
  }
}
