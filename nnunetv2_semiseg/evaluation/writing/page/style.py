"""The page's style sheet, for a screen of a laptop and for paper."""

CSS = """\
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.5rem 3rem; background: #fff; color: #1a1a1a;
  font: 15px/1.45 system-ui, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .6rem; border-bottom: 2px solid #1a1a1a; }
h3 { font-size: 1.05rem; margin: 1.3rem 0 .4rem; }
p { max-width: 52rem; margin: .5rem 0; }
nav a { margin-right: 1rem; color: #0b4f8a; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0 1rem; font-size: .87rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #666; vertical-align: bottom; }
th small { font-weight: normal; color: #555; }
td.number { white-space: nowrap; }
td.lines { white-space: nowrap !important; }
td.path { overflow-wrap: anywhere; color: #444; }
tr.first td { border-top: 2px solid #666; }
figure { margin: 1rem 0 1.6rem; break-inside: avoid; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { font-size: .87rem; color: #333; margin-top: .3rem; overflow-wrap: anywhere; }
.model { display: inline-block; max-width: 100%; }
td .model { white-space: nowrap; }
.mark { width: .8em; height: .8em; margin-right: .35em; vertical-align: -.05em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.missing { border-left: 4px solid #d55e00; padding-left: .7rem; overflow-wrap: anywhere; }
footer { margin-top: 2.5rem; font-size: .8rem; color: #555; }
@page { size: A4; margin: 14mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  nav { display: none; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .4rem; }
  td.number, td .model { white-space: normal; overflow-wrap: anywhere; }
  tr, h2, h3, p { break-inside: avoid; }
  h2, h3, p { break-after: avoid; }
  figcaption { font-size: 8pt; }
  figure { margin: .5rem 0 .8rem; }
  footer { margin-top: .5rem; font-size: 7pt; }
  figure img { max-height: 195mm; width: auto; }
}
"""
