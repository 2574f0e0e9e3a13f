#pragma once

namespace experiments {

// The style sheet of Report. Class names are those that report.cc and curve_plot.cc write.
inline constexpr char kReportStyle[] = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b2230; --muted: #667085; --line: #e3e6ec; --head: #f0f2f6;
  --accent: #2f6fde; --track: #eceff4;
  --series-0: #2f6fde; --series-1: #e07a1f; --series-2: #159a6c; --series-3: #b23fc4;
  --series-4: #d6384a; --series-5: #1296b0; --series-6: #7d8b16; --series-7: #6b7689;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141b; --card: #181e28; --text: #e6e9ef; --muted: #94a0b3; --line: #2b3341; --head: #202836;
    --accent: #6ea2ff; --track: #262e3b;
    --series-0: #6ea2ff; --series-1: #f2a04e; --series-2: #45c796; --series-3: #d67fe6;
    --series-4: #f4717f; --series-5: #4cc3da; --series-6: #b9c74a; --series-7: #9aa6b8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: clamp(16px, 4vw, 48px); max-width: 1240px; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { margin: 0 0 20px; font-size: clamp(24px, 5vw, 36px); line-height: 1.2;
  letter-spacing: -0.015em; text-wrap: balance; }
h2 { margin: 44px 0 14px; font-size: 21px; letter-spacing: -0.01em; }
p { max-width: 74ch; margin: 0 0 14px; }
small { color: var(--muted); font-weight: 400; }
figure { margin: 0; }
.facts {
  display: flex; flex-wrap: wrap; gap: 1px; margin: 0 0 20px; overflow: hidden;
    border: 1px solid var(--line); border-radius: 12px; background: var(--line);
}
.facts div { flex: 1 1 150px; padding: 12px 16px; background: var(--card); }
.facts dt { color: var(--muted); font-size: 12.5px; }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
pre, details, .table, .plot, .bars {
  border: 1px solid var(--line); border-radius: 12px; background: var(--card); margin: 0 0 16px;
}
pre {
  padding: 12px 16px; font: 13.5px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
summary { padding: 10px 16px; cursor: pointer; font-weight: 600; }
details .table { border-width: 1px 0 0; border-radius: 0; margin: 0; }
.table { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 15px; }
caption { padding: 12px 16px 4px; text-align: left; font-weight: 600; }
th, td { padding: 8px 16px; text-align: left; border-top: 1px solid var(--line); }
tr:first-child th { border-top: 0; }
thead th { background: var(--head); color: var(--muted); font-size: 13px; font-weight: 600; }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
tbody tr:hover td { background: var(--head); }
.plots {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 16px; margin: 0 0 16px;
}
.plot { display: flex; flex-direction: column; margin: 0; padding: 14px 14px 6px; }
.plot figcaption, .bars figcaption { display: flex; gap: 10px; align-items: baseline;
  font-weight: 600; padding: 0 2px 4px; }
.plot svg { display: block; margin-top: auto; width: 100%; height: auto; font-family: inherit; }
.grid { stroke: var(--line); }
.axis { stroke: var(--muted); stroke-opacity: 0.6; }
.tick { fill: var(--muted); font-size: 12.5px; }
.label { fill: var(--muted); font-size: 13px; }
polyline { fill: none; stroke: var(--c); stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
polyline.dashed { stroke-dasharray: 7 6; stroke-width: 1.8; }
polyline.dotted { stroke-dasharray: 0.1 4.5; stroke-width: 2.6; }
polyline.noise { stroke-width: 1; stroke-opacity: 0.3; }
.band { fill: var(--c); fill-opacity: 0.16; }
.dot { fill: var(--c); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; padding: 0 2px 8px; font-size: 13.5px; }
.legend i { display: inline-block; width: 18px; margin-right: 7px; border-top: 3px solid var(--c);
  vertical-align: middle; border-radius: 2px; }
.legend i.dashed { border-top-style: dashed; border-radius: 0; }
.legend i.dotted { border-top-style: dotted; border-radius: 0; }
.legend b { font-weight: 600; color: var(--muted); }
.legend em { color: var(--muted); font-style: normal; font-size: 12px; }
.pictures {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--least, 220px)), 1fr)); gap: 16px;
  margin: 0 0 16px; align-items: start;
}
.pictures.broad { --least: 520px; }
.pictures.broad figure { overflow-x: auto; }
.pictures.broad img { min-width: 500px; }
.pictures img {
  display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: 8px;
    image-rendering: pixelated;
}
.pictures figcaption { position: sticky; left: 0; padding: 6px 2px 0; color: var(--muted); font-size: 13.5px; }
.bars { padding: 14px 16px; }
.bars ul { margin: 6px 0 0; padding: 0; list-style: none; columns: 400px; column-gap: 40px; }
.bars li { display: grid; grid-template-columns: minmax(80px, 28%) 1fr 46px; gap: 10px;
  align-items: center; padding: 3px 0; font-size: 14px; break-inside: avoid; }
.bars li span:last-child { text-align: right; }
.bars .track { height: 12px; border-radius: 6px; background: var(--track); overflow: hidden; }
.bars .track i { display: block; height: 100%; border-radius: 6px;
  background: var(--c, var(--accent)); box-shadow: inset 0 0 0 1px rgb(127 127 127 / 0.45); }
@media (max-width: 520px) { .tick, .label { font-size: 15.5px; } th, td { padding: 7px 11px;
  } table { font-size: 14px; } }
@media print { body { background: none; padding: 0; } .plot, .table, .bars, .pictures figure { break-inside: avoid; } }
)css";

}  // namespace experiments
