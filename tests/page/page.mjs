// page.mjs - what a person sees on the page, checked in Chromium against canned answers of the collector.
import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const dist = process.argv[2];
const shots = process.env.TIDEMARK_SHOTS;

// -- a collector that says what we tell it ---------------------------------------------------------------------------

const minutesAgo = (m) => new Date(Date.now() - m * 60000).toISOString();
const endpoints = [
	{ id: "version", url: "https://shop.example/version" },
	{ id: "version-format-json", url: "https://shop.example/version?format=json" },
];
const places = {
	"cloudfront:FRA56-P3": { city: "Frankfurt", country: "DE", lat: 50.04, lon: 8.56, from: "header" },
	"fastly:NRT": { city: "Tokyo", country: "JP", lat: 35.76, lon: 140.39, from: "header" },
	"self:sfo": { city: null, country: null, lat: 37.62, lon: -122.38, from: "agent" },
};
function cell(edge, endpoint, region, state, more = {}) {
	return {
		service: "shop", endpoint, edge, vendor: edge.split(":")[0], pop: edge.split(":")[1], state, version: state === "fresh" ? "v2" : "v1",
		expected: "v2", staleness_s: state === "stale" ? 252 : null, stale_since: state === "stale" ? new Date(Date.now() - 252000).toISOString() : null, behind: state === "stale" ? 1 : 0, cause: null,
		cached_at: minutesAgo(240), age_s: 14400, ttl_s: 72000, cache: "hit", last_seen: minutesAgo(0), agents: [`${region}-1`],
		regions: [region], converged: state === "fresh", place: places[edge], ...more,
	};
}
const world = {
	token: "",
	services: [{
		name: "shop", endpoints, interval_s: 30, current: { version: "v2", deploy: "d_1", live_at: minutesAgo(5) }, rolling: null,
		cells: { fresh: 3, stale: 1, silent: 1, failing: 1 }, verdict: "converging",
	}],
	cells: [
		cell("cloudfront:FRA56-P3", "version", "eu", "fresh"), cell("cloudfront:FRA56-P3", "version-format-json", "eu", "stale"),
		cell("fastly:NRT", "version", "ap", "fresh", { age_s: 3 }), cell("fastly:NRT", "version-format-json", "ap", "fresh"),
		cell("self:sfo", "version", "us", "silent"), cell("self:sfo", "version-format-json", "us", "failing", { version: null }),
	],
	deploys: [{
		id: "d_1", service: "shop", version: "v2", verdict: "converging", reason: null, started_at: minutesAgo(6), live_at: minutesAgo(5),
		live_source: "declared", decided_at: null, advisories: [], next: [],
		propagation: {
			known: 6, observed: 4, converged: 3, converged_share: 0.75, coverage: 0.667, t50_s: [3, 8.5], t90_s: null, t100_s: null,
		},
	}],
	agents: [
		{ name: "eu-1", region: "eu", state: "connected", last_seen: minutesAgo(0), last_result: minutesAgo(0), software: "tidemark-agent 0.1.0", clock_suspect: false, results: 100 },
		{ name: "us-1", region: "us", state: "silent", last_seen: minutesAgo(9), last_result: minutesAgo(9), software: null, clock_suspect: true, results: 3, lost: { results: 210, from: minutesAgo(60), to: minutesAgo(30) } },
	],
	explained: {
		cause: "purge_missed_key", causes: { purge_missed_key: 2, shield_stale: 1 }, unexplained: 1,
		why: {
			cause: "purge_missed_key", also: [], layer: "edge", text: "purge p1 was of /version, which does not cover it <img src=x onerror=alert(1)>",
			evidence: [{ kind: "purge", text: "cloudfront purge of /version", id: "p1" }], remarks: [],
			sibling: { endpoint: "version", edge: "cloudfront:FRA56-P3", version: "v2", differs: [{ what: "Age", here: "4590", there: "20" }] },
			refuted_by: "a purge of exactly this URL that leaves it", next: "aws cloudfront create-invalidation --distribution-id E1 --paths '/version*'",
		},
		layers: { edge: "fail", shield: "pass", origin: "not_configured", mesh: "fail", rollout: "unknown", pods: "pass" },
		layer_evidence: { mesh: "10 % go to subset v1, which has no ready pod" }, innermost: "mesh",
		advisories: [{ code: "browser_tail", endpoint: "version", text: "Cache-Control lets a browser keep an answer for up to 600 s more" }],
	},
	points: [{ t_s: 3, earliest: 0.25, latest: 0 }, { t_s: 8.5, earliest: 0.75, latest: 0.5 }, { t_s: 20, earliest: 0.75, latest: 0.75 }],
};
const readers = new Set();
function tell(event, data) {
	for (const r of readers) r.write(`event: ${event}\nid: 7.${readers.size}\ndata: ${JSON.stringify(data)}\n\n`);
}
const types = { html: "text/html", js: "text/javascript", css: "text/css" };
const server = createServer((q, a) => {
	const path = new URL(q.url, "http://x").pathname;
	const json = (body, status = 200) => {
		a.writeHead(status, { "content-type": "application/json" });
		a.end(JSON.stringify(body));
	};
	if (path.startsWith("/api/") && world.token && q.headers.authorization !== `Bearer ${world.token}`)
		return json({ title: "Unauthorized", detail: "a token is needed" }, 401);
	const lists = { services: world.services, cells: world.cells, deploys: world.deploys, agents: world.agents, incidents: [] };
	const name = path.replace("/api/v1/", "");
	if (lists[name]) return json({ items: lists[name], next: null });
	if (path === "/api/v1/stream") {
		a.writeHead(200, { "content-type": "text/event-stream" });
		a.write(": hello\n\n");
		readers.add(a);
		q.on("close", () => readers.delete(a));
		return;
	}
	if (path.endsWith("/propagation")) return json({ id: "d_1", points: world.points });
	if (path === "/api/v1/deploys/d_1") return json({ ...world.deploys[0], ...world.explained });
	if (/^\/api\/v1\/cells\/[^/]+\/[^/]+$/.test(path)) return json({ ...world.cells[1], why: world.explained.why });
	if (path.endsWith("/history")) return json({ transitions: [{ at: minutesAgo(4), from: "fresh", to: "stale", version: "v1" }], results: [] });
	const file = path === "/" ? "index.html" : path.slice(1);
	const headers = { "content-type": types[file.split(".").pop()] ?? "text/plain",
		"content-security-policy": "default-src 'self'; style-src 'self'; img-src 'self' data:" };
	try {
		const body = readFileSync(join(dist, file));
		a.writeHead(200, headers);
		a.end(body);
	} catch {
		a.writeHead(404);
		a.end();
	}
});
await new Promise((up) => server.listen(0, "127.0.0.1", up));
const url = `http://127.0.0.1:${server.address().port}/`;

// -- the tests -------------------------------------------------------------------------------------------------------

const browser = await chromium.launch({
	executablePath: "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync"],
});
let passed = 0;
let failed = 0;
async function test(says, viewport, body) {
	const context = await browser.newContext({ viewport, reducedMotion: "reduce" });
	const page = await context.newPage();
	page.setDefaultTimeout(10000);
	const errors = [];
	page.on("pageerror", (e) => errors.push(e.message));
	page.on("console", (m) => m.type() === "error" && !/Failed to load resource|net::ERR/.test(m.text()) && errors.push(m.text()));
	try {
		await page.goto(url);
		await body(page);
		assert.deepEqual(errors, [], "nothing is thrown, and nothing breaks the content security policy");
		console.log(`ok   ${says}`);
		passed++;
	} catch (e) {
		console.log(`FAIL ${says}\n${e.stack}`);
		failed++;
	}
	await context.close();
}
const desktop = { width: 1360, height: 900 };
const phone = { width: 375, height: 812 };
const shot = (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
const stale = (page) => page.getByRole("button", { name: /FRA56-P3 version-format-json: stale/ });

await test("a stale cell says what it serves and for how long, in words and not by colour alone", desktop, async (page) => {
	const text = await stale(page).innerText();
	assert.match(text, /▲/);
	assert.match(text, /stale/);
	assert.match(text, /v1/);
	assert.match(text, /4m 1[2-9]s/);
	await page.locator(".curve canvas").waitFor();
	await shot(page, "desktop");
});
await test("an edge's city stands below its name; a place that is only a hint is said to be one", desktop, async (page) => {
	await stale(page).waitFor();
	assert.match(await page.getByRole("rowheader", { name: /FRA56-P3/ }).innerText(), /Frankfurt, DE/);
	assert.equal((await page.getByRole("rowheader", { name: /self:sfo/ }).innerText()).trim(), "self:sfo");
	await page.getByRole("button", { name: /self:sfo version:/ }).click();
	await page.getByText("unknown; its agents are at 37.6, -122.4").waitFor();
});
await test("the page shows the deploy's verdict, share and bounds", desktop, async (page) => {
	const panel = page.getByRole("region", { name: "deploy" });
	await panel.getByText("converging").waitFor();
	const text = await panel.innerText();
	assert.match(text, /75\.0%/);
	assert.match(text, /3\.0s – 8\.5s|3s – 8\.5s/);
	assert.match(text, /not yet/);
});
await test("the deploy names its cause, its layers and where to look; hostile text stays text", desktop, async (page) => {
	const why = page.getByRole("group", { name: "cause and layers" });
	await why.getByText("purge_missed_key", { exact: true }).waitFor();
	const text = await why.innerText();
	assert.match(text, /purge_missed_key: 2 cells, shield_stale: 1 cell/);
	assert.match(text, /<img src=x/);
	assert.match(text, /✕ mesh fail/);
	assert.match(text, /Look here: mesh\. 10 % go to subset v1/);
	assert.match(text, /a browser keep an answer/);
	assert.equal(await page.locator("img").count(), 0);
	await shot(page, "why");
});
await test("an incident is said at the top, goes when it is resolved, and comes by the stream", desktop, async (page) => {
	const incident = {
		id: "i_1", service: "shop", deploy: "d_1", version: "v2<b>", state: "open", severity: "critical", opened_at: minutesAgo(3), resolved_at: null,
		cause: "purge_missed_key", not_fresh: 12, cells: 18,
	};
	assert.equal(await page.getByRole("region", { name: "incidents" }).count(), 0);
	tell("incident", incident);
	const said = page.getByRole("region", { name: "incidents" });
	await said.getByText("▲ critical incident, shop v2<b>: 12 of 18 cells are not right, purge_missed_key; opened 3m").waitFor();
	await shot(page, "incident");
	await page.setViewportSize({ width: 375, height: 800 });
	await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth); // the curve is drawn anew first
	await shot(page, "incident-phone");
	tell("incident", { ...incident, state: "resolved" });
	await said.waitFor({ state: "detached" });
});
await test("agents are listed with their state; one whose clock is off says so", desktop, async (page) => {
	const row = page.getByRole("row", { name: /us-1/ });
	assert.match(await row.innerText(), /silent, clock off lost 210 results/);
});
await test("a cell that turns fresh changes on the page without a reload", desktop, async (page) => {
	await stale(page).waitFor();
	await page.getByText("● live").waitFor();
	tell("cell", cell("cloudfront:FRA56-P3", "version-format-json", "eu", "fresh"));
	await page.getByRole("button", { name: /FRA56-P3 version-format-json: fresh/ }).waitFor();
});
await test("a cell opens with its evidence and history", desktop, async (page) => {
	await stale(page).click();
	const panel = page.getByRole("complementary", { name: "cell" });
	assert.match(await panel.innerText(), /should serve\s+v2/);
	await panel.getByText("fresh → stale").waitFor();
	const why = panel.getByRole("region", { name: "why" });
	await why.getByText("purge_missed_key").waitFor();
	assert.match(await why.innerText(), /Age\s+4590\s+20/);
	assert.match(await why.innerText(), /aws cloudfront create-invalidation/);
	await shot(page, "cell");
});
await test("a lost collector is said loudly, and the page comes back by itself", desktop, async (page) => {
	await page.getByText("● live").waitFor();
	for (const r of readers) r.destroy();
	world.token = "nobody knows it";
	await page.getByText(/asks for a token/).waitFor();
	world.token = "";
	await page.getByLabel(/asks for a token/).fill("any");
	await page.getByRole("button", { name: "open" }).click();
	await page.getByText("● live").waitFor();
});
await test("with tokens, the page asks for one and opens with it", desktop, async (page) => {
	world.token = "tmk_secret";
	await page.reload();
	await page.getByLabel(/asks for a token/).fill("tmk_secret");
	await page.getByRole("button", { name: "open" }).click();
	await stale(page).waitFor();
	world.token = "";
});
await test("on a phone nothing is wider than the screen, and every cell names its endpoint", phone, async (page) => {
	await stale(page).waitFor();
	const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
	assert.equal(wide, 0);
	await shot(page, "phone");
});
await test("only what is not fresh, when asked", desktop, async (page) => {
	await stale(page).waitFor();
	await page.getByRole("button", { name: /not fresh 3/ }).click();
	assert.equal(await page.getByRole("button", { name: /NRT version:/ }).count(), 0);
	assert.equal(await stale(page).count(), 1);
});

await browser.close();
for (const r of readers) r.destroy();
server.close();
server.closeAllConnections();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
