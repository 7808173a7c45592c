// Writes the dashboards into a TypeScript file, each part against Grafana's own type for it, so
// that `tsc` refuses unknown fields and wrong values. usage: typed.cjs OUT FILE...
"use strict";
const fs = require("fs");

const [out, ...files] = process.argv.slice(2);
const PANELS = {
  bargauge: "BarGaugePanelCfg", stat: "StatPanelCfg", "state-timeline": "StateTimelinePanelCfg",
  table: "TablePanelCfg", timeseries: "TimeSeriesPanelCfg",
};

const lines = [
  'import type { Dashboard } from "@grafana/schema";',
  // An enum of strings takes what its members say, in JSON there is nothing else.
  "type Loose<T> = T extends string ? `${T}` : T extends number ? T : T extends boolean ? T",
  "  : T extends (infer U)[] ? Loose<U>[] : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;",
  'type Asked = { expr: string; titleFormat: string; textFormat: string; tagKeys: string; useValueForTime: "on" };',
];
for (const [kind, name] of Object.entries(PANELS)) {
  lines.push(`import type * as ${name} from "@grafana/schema/dist/esm/raw/composable/${kind.replace("-", "")}/panelcfg/x/${name}_types.gen";`);
}
let number = 0;
for (const file of files) {
  const board = JSON.parse(fs.readFileSync(file, "utf8"));
  // What an annotation asks of Prometheus is the data source's own.
  const asked = board.annotations.list.map(({ expr, titleFormat, textFormat, tagKeys, useValueForTime, ...rest }, at) => {
    board.annotations.list[at] = rest;
    return { expr, titleFormat, textFormat, tagKeys, useValueForTime };
  });
  lines.push(`export const annotations${number}: Asked[] = ${JSON.stringify(asked)};`);
  lines.push(`// ${file}`, `export const board${number++}: Loose<Dashboard> = ${JSON.stringify(board)};`);
  for (const panel of board.panels.filter((panel) => panel.type !== "row")) {
    const name = PANELS[panel.type];
    if (!name) throw new Error(`${file}: ${panel.title}: no type for a panel of type ${panel.type}`);
    lines.push(`// ${file}: ${panel.title}`);
    lines.push(`export const options${number}: Loose<${name}.Options> = ${JSON.stringify(panel.options)};`);
    if (panel.type !== "stat" && panel.type !== "bargauge") {
      lines.push(`export const custom${number}: Loose<Partial<${name}.FieldConfig>> = ${JSON.stringify(panel.fieldConfig.defaults.custom)};`);
    }
    number++;
  }
}
// The compiler refuses what is wrong, or this check says nothing.
lines.push('// @ts-expect-error', 'export const wrong: Loose<Dashboard> = { schemaVersion: 39, panells: [] };');
lines.push('// @ts-expect-error', 'export const worse: Loose<StatPanelCfg.Options> = { colorMode: "rainbow" };');
fs.writeFileSync(out, lines.join("\n") + "\n");
