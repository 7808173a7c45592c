// Parses every expression of a rule file or a dashboard by the grammar that Prometheus 3 ships for
// its own page, and fails on any that it does not understand.
"use strict";
const fs = require("fs");

// `expr:` on one line, or as a block that is indented further.
function rules(text) {
  const found = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const match = /^(\s*)expr: (.*)$/.exec(lines[i]);
    if (!match) continue;
    if (match[2] !== "|") {
      found.push(match[2]);
      continue;
    }
    const block = [];
    while (i + 1 < lines.length && (lines[i + 1].startsWith(match[1] + "  ") || lines[i + 1] === "")) block.push(lines[++i]);
    found.push(block.join("\n"));
  }
  return found;
}

function dashboard(text) {
  const board = JSON.parse(text);
  const queries = board.panels.flatMap((panel) => panel.targets || []).map((query) => query.expr);
  const all = queries.concat(board.annotations.list.map((annotation) => annotation.expr));
  return all.map((expr) => expr.replace(/\$__(rate_)?interval/g, "1m").replace(/\$\{?\w+\}?/g, "x"));
}

(async () => {
  const { parser } = await import(require.resolve("@prometheus-io/lezer-promql"));
  let parsed = 0;
  let wrong = 0;
  for (const path of process.argv.slice(2)) {
    const text = fs.readFileSync(path, "utf8");
    const expressions = path.endsWith(".json") ? dashboard(text) : rules(text);
    if (expressions.length === 0) throw new Error(`${path}: no expression found`);
    for (const expr of expressions) {
      parsed++;
      parser.parse(expr).iterate({
        enter(node) {
          if (!node.type.isError) return;
          wrong++;
          console.error(`${path}: not PromQL near \`${expr.slice(Math.max(0, node.from - 30), node.to + 30)}\``);
        },
      });
    }
  }
  // The grammar refuses what is wrong, or this check says nothing.
  let refused = false;
  parser.parse("sum by (a) (rate(x[1m)").iterate({ enter(node) { refused ||= node.type.isError; } });
  if (!refused) throw new Error("the parser takes anything");
  if (wrong > 0) process.exit(1);
  console.log(`${parsed} expressions are PromQL by the grammar of Prometheus 3`);
})();
