// Validates PodMonitors and PrometheusRules against the operator's schemas: FOLDER FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const yaml = createRequire(pathToFileURL(`${folder}/none.js`))("js-yaml");
const v1 = await import(
  pathToFileURL(`${folder}/node_modules/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js`).href
);

// The schema has to refuse something before its silence means anything.
try {
  new v1.PodMonitor({ metadata: { name: "a" }, spec: { podMetricsEndpoints: [{ interval: 5 }] } }).validate();
  throw new Error("accepted");
} catch (error) {
  if (error.message === "accepted") throw new Error("the schema of PodMonitor refuses nothing");
}
let seen = 0;
for (const file of files) {
  for (const document of yaml.loadAll(readFileSync(file, "utf8"))) {
    if (document?.apiVersion !== "monitoring.coreos.com/v1") continue;
    const Kind = v1[document.kind];
    if (!Kind) throw new Error(`${file}: kind ${document.kind}`);
    try {
      new Kind(document).validate();
    } catch (error) {
      console.error(`${file}: ${document.kind} ${document.metadata.name}: ${error.message}`);
      process.exit(1);
    }
    seen += 1;
  }
}
if (seen < 8) throw new Error(`only ${seen} objects of the operator`);
