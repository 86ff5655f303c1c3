// Builds the page into coin_assets/site. The same sources give the same bytes.
// SOURCES.sha256 lists sources and built files; coin_assets_tests/site checks it without node.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const site = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const root = resolve(site, "..");
// Another folder for a check that must not touch the built files.
const into = resolve(process.argv[2] ?? join(root, "coin_assets/site"));
const SOURCES = ["src", "scripts/build.mjs", "index.html", "package.json", "package-lock.json", "tsconfig.json"];
const LICENSED = ["preact", "lightweight-charts"];

const sha256 = (content) => createHash("sha256").update(content).digest("hex");
const text = (...path) => readFileSync(join(site, ...path), "utf8");

function filesIn(path) {
  const entries = (() => {
    try {
      return readdirSync(path, { withFileTypes: true });
    } catch {
      return null; // a file
    }
  })();
  return entries === null ? [path] : entries.flatMap((entry) => filesIn(join(path, entry.name)));
}

const { outputFiles } = await build({
  absWorkingDir: site,
  entryPoints: { page: "src/main.tsx", style: "src/style.css" },
  outdir: "out",
  write: false,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  conditions: ["production"],
  define: { "process.env.NODE_ENV": '"production"' },
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  charset: "utf8",
});
const output = (name) => outputFiles.find((file) => file.path.endsWith(name)).text;

// The packages bring their licences, but not the notices that have to go with them.
const licences = LICENSED.map((name) => {
  const { version, license } = JSON.parse(text("node_modules", name, "package.json"));
  return `${name} ${version} (${license})\n\n${text("node_modules", name, "LICENSE").trim()}\n`;
});
const assets = {
  "page.js": output("page.js"),
  "page.css": output("style.css"),
  "icon.svg": text("src/icon.svg"),
  "licenses.txt": [text("src/notices.txt"), ...licences].join("\n\n"),
};
// Caches may keep assets for ever: their addresses change with their content.
const version = sha256(Object.values(assets).join("\0")).slice(0, 12);
const built = { "index.html": text("index.html").replaceAll("{{version}}", version) };
for (const [name, content] of Object.entries(assets)) built[`assets/${name}`] = content;

rmSync(into, { recursive: true, force: true });
mkdirSync(join(into, "assets"), { recursive: true });
for (const [name, content] of Object.entries(built)) writeFileSync(join(into, name), content);

const sources = SOURCES.flatMap((name) => filesIn(join(site, name))).map((path) => [relative(root, path), readFileSync(path)]);
const outputs = Object.entries(built).map(([name, content]) => [`coin_assets/site/${name}`, content]);
const lines = [...sources, ...outputs].map(([name, content]) => `${sha256(content)}  ${name}\n`);
const listed = lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join("");
writeFileSync(process.argv[2] ? join(into, "SOURCES.sha256") : join(site, "SOURCES.sha256"), listed);
