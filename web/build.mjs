// Bundles the page into dist/: three files, no network at run time.
import { build } from "esbuild";
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "dist");
mkdirSync(out, { recursive: true });
await build({
	absWorkingDir: here,
	entryPoints: { app: "src/main.tsx" },
	outdir: out,
	bundle: true,
	minify: true,
	target: "es2020",
	jsx: "automatic",
	jsxImportSource: "preact",
	legalComments: "none",
	logLevel: "warning",
});
copyFileSync(join(here, "src/index.html"), join(out, "index.html"));
