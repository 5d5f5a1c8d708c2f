// One plot over time. Loaded when a plot is looked at. The table behind it says the same to those who do not see it.

import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { compact, count } from '../../ui/numbers.ts';
import type { Series } from './series.ts';

export interface PlotLine {
  readonly label: string;
  /** Name of a colour of ui/base.css. */
  readonly colour: string;
}

interface PlotProps {
  readonly title: string;
  readonly lines: readonly PlotLine[];
  readonly series: Series;
}

const height = 200;

export default function Plot({ title, lines, series }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    let plot: uPlot | null = null;
    const draw = (): void => {
      plot?.destroy();
      plot = new uPlot(optionsOf(element.clientWidth, lines), [[...series.times], ...series.values.map((row) => [...row])], element);
    };
    draw();
    const resized = new ResizeObserver(() => {
      if (plot !== null && plot.width !== element.clientWidth) plot.setSize({ width: element.clientWidth, height });
    });
    resized.observe(element);
    // Colours are those of the theme.
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      resized.disconnect();
      themed.disconnect();
      dark.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [lines, series]);
  return (
    <figure className="plot card" aria-label={title}>
      <figcaption className="row spread">
        <h2>{title}</h2>
        <ul className="plain row">
          {lines.map(({ label, colour }, index) => (
            <li key={label} className="row small">
              <span className={`plot-key plot-${colour}`} aria-hidden="true" />
              {label} <strong className="number">{count((series.values[index] ?? []).reduce((sum, value) => sum + value, 0))}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={box} className="plot-box" aria-hidden="true" />
    </figure>
  );
}

function optionsOf(width: number, lines: readonly PlotLine[]): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour('quiet'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1 },
    font: '12px system-ui',
  };
  const bars = uPlot.paths.bars?.({ size: [0.7, 24] });
  return {
    width,
    height,
    legend: { show: false },
    cursor: { points: { show: false }, drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(4, max * 1.1)] } },
    axes: [axis, { ...axis, size: 48, values: (_plot, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? compact(tick) : '')) }],
    series: [
      {},
      ...lines.map(({ label, colour: name }) => ({
        label,
        stroke: colour(name),
        fill: `color-mix(in srgb, ${colour(name)} 55%, transparent)`,
        width: 1,
        ...(bars === undefined ? {} : { paths: bars }),
        points: { show: false },
      })),
    ],
  };
}
