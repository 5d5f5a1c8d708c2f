// How pages look: on a screen of any width, light or dark, and on paper. Nothing is fetched; fonts are those of the reader's system.

export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2733; --soft: #56667a; --line: #d9e0e7; --edge: #b6c2ce; --pane: #f5f7fa; --page: #fff;
  --run: #2f6db3; --held: #c98a1b; --denied: #c0392b; --rows: #3a8f6f; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --soft: #9aa8b8; --line: #323c48; --edge: #4a5765; --pane: #1d252e;
  --page: #14191f; --run: #5b9be0; --held: #dba43d; --denied: #e5695b; --rows: #5cb592; } a { color: #8fbdf0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.5rem 4rem; color: var(--ink); background: var(--page);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .4rem; } h3 code { font-weight: 400; margin-left: .4em; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
.lead { color: var(--soft); font-size: 1.05rem; } .soft { color: var(--soft); }
code, .id { font: .86em ui-monospace, SFMono-Regular, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; } .id { color: var(--soft); white-space: nowrap; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; font-size: .92rem; margin: 1rem 0; }
dl.scope { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 1.2rem 0; padding: 1rem 1.2rem; background: var(--pane); border-radius: 6px; }
dl.scope dt { color: var(--soft); } dl.scope dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: .8rem; margin: 1.2rem 0; }
.tile { border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.55rem; line-height: 1.2; font-weight: 650; } .tile span { color: var(--soft); font-size: .88rem; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1.2rem; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
td { min-width: 4rem; word-break: break-word; } td:first-child { min-width: 10.5rem; } th:last-child, td:last-child { padding-right: 0; }
th { color: var(--soft); font-weight: 600; border-bottom-color: var(--edge); } .n { text-align: right; min-width: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
ul { padding-left: 1.2rem; max-width: 46rem; } li { margin: .25rem 0; }
ul.caution { border-left: 3px solid var(--held); padding-left: 2rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; margin: .4rem 0 .6rem; }
svg text { font: 11px system-ui, Arial, sans-serif; fill: var(--soft); } svg line { stroke: var(--line); } svg line.tick { stroke: var(--edge); }
.run { fill: var(--run); } .held { fill: var(--held); } .denied { fill: var(--denied); } .rows { fill: var(--rows); }
.key { font-size: .88rem; color: var(--soft); } .key i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .35em 0 1em; vertical-align: -.05em; }
.key i.run { background: var(--run); } .key i.held { background: var(--held); } .key i.denied { background: var(--denied); } .key i.rows { background: var(--rows); }
ol.story { list-style: none; margin: .4rem 0 1.4rem; padding: 0 0 0 1rem; border-left: 3px solid var(--line); }
ol.story li { display: grid; grid-template-columns: 10.5rem 1fr; margin: .35rem 0; } ol.story time { color: var(--soft); font-variant-numeric: tabular-nums; }
.none { color: var(--soft); font-style: italic; }
@media screen and (max-width: 44rem) {
  body { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.5rem; } .tiles { grid-template-columns: repeat(2, 1fr); }
  dl.scope { grid-template-columns: 1fr; gap: 0; } dl.scope dd { margin-bottom: .5rem; }
  thead { display: none; } table, tbody, tr { display: block; } tr { border: 1px solid var(--line); border-radius: 6px; padding: .4rem .8rem; margin: 0 0 .7rem; }
  td, td.n, td:first-child { display: grid; min-width: 0; grid-template-columns: 7.5rem 1fr; gap: .6rem; border: 0; padding: .15rem 0; text-align: left; white-space: normal; }
  td::before { content: attr(data-of); color: var(--soft); }
  svg text { font-size: 23px; } svg text.odd { display: none; }
  ol.story li { grid-template-columns: 1fr; margin: .6rem 0; } ol.story time:empty { display: none; }
}
@page { size: A4; margin: 18mm 15mm; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; } h2, h3 { break-after: avoid; } tr, li, .tile, svg { break-inside: avoid; }
  thead { display: table-header-group; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;
