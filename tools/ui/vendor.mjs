// SPDX-License-Identifier: Apache-2.0
// Copies the modules that the screen uses from node_modules to the folder given: `node vendor.mjs FOLDER`.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const from = join(dirname(fileURLToPath(import.meta.url)), "node_modules");
const to = process.argv[2];
if (!to) throw new Error("say where to: node vendor.mjs FOLDER");

const LIT = ["lit-html", "directive", "directive-helpers", "async-directive", "directives/repeat"];

/** [in node_modules, in the folder, what becomes of the text] */
const FILES = [
  ...LIT.flatMap((name) => [
    [`lit-html/${name}.js`, `lit-html/${name}.js`],
    [`lit-html/${name}.d.ts`, `lit-html/${name}.d.ts`],
  ]),
  ["lit-html/LICENSE", "lit-html/LICENSE"],
  ["@preact/signals-core/dist/signals-core.mjs", "signals-core/signals-core.js"],
  ["@preact/signals-core/dist/signals-core.d.ts", "signals-core/signals-core.d.ts"],
  ["@preact/signals-core/LICENSE", "signals-core/LICENSE"],
  // uPlot's small build is a script, not a module
  ["uplot/dist/uPlot.iife.min.js", "uplot/uPlot.js", (text) => `${text}\nexport default uPlot;\n`],
  ["uplot/dist/uPlot.d.ts", "uplot/uPlot.d.ts"],
  ["uplot/dist/uPlot.min.css", "uplot/uPlot.css"],
  ["uplot/LICENSE", "uplot/LICENSE"],
];

rmSync(to, { recursive: true, force: true });
for (const [source, target, change = (text) => text] of FILES) {
  const file = join(to, target);
  mkdirSync(dirname(file), { recursive: true });
  const text = readFileSync(join(from, source), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\n?/g, "\n");
  writeFileSync(file, change(text));
}
