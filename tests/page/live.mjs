// live.mjs URL DIR - looks at a real collector's page while tests/e2e/page.sh plays a deploy: four fresh cells, then one stale.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const [url, dir] = process.argv.slice(2);
const browser = await chromium.launch({
	executablePath: "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
page.setDefaultTimeout(30000);
const errors = [];
page.on("pageerror", (e) => errors.push(e.message));
page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
try {
	await page.goto(url);
	const cell = (edge, endpoint, state) => page.getByRole("button", { name: new RegExp(`^self:${edge} ${endpoint}: ${state}`) });
	for (const edge of ["fra", "nrt"]) for (const endpoint of ["v0", "v1"]) await cell(edge, endpoint, "fresh").waitFor();
	await page.getByText("● live").waitFor();
	await page.getByRole("row", { name: /fra-1 eu ● connected/ }).waitFor();
	writeFileSync(join(dir, "page.fresh"), "");
	await cell("nrt", "v1", "stale").waitFor(); // by the stream alone: nothing here reloads
	for (const [edge, endpoint] of [["fra", "v0"], ["fra", "v1"], ["nrt", "v0"]]) {
		const box = cell(edge, endpoint, "fresh");
		await box.waitFor();
		await page.waitForFunction((b) => b.textContent.includes("v2"), await box.elementHandle());
	}
	await page.getByRole("region", { name: "deploy" }).getByText("v2").first().waitFor();
	await page.locator(".curve canvas").waitFor();
	await cell("nrt", "v1", "stale").click();
	await page.getByRole("complementary", { name: "cell" }).getByText("fresh → stale").waitFor();
	if (process.env.TIDEMARK_SHOTS) await page.screenshot({ path: join(process.env.TIDEMARK_SHOTS, "live.png"), fullPage: true });
	if (errors.length) throw new Error(errors.join("\n"));
	console.log("ok   the page showed it all");
} catch (e) {
	console.log(`FAIL ${e.stack}\n${await page.locator("body").innerText()}`);
	process.exitCode = 1;
}
await browser.close();
