// What the page knows: loaded once, then kept up to date by the stream. Everything is re-read after a gap in the stream,
// so that a missed event cannot leave an edge looking fresh.
import { ApiError, type StreamEvent, list, stream } from "./api";
import type { Agent, Cell, Deploy, Incident, Service } from "./types";

export interface World {
	services: Service[];
	cells: Map<string, Cell>;
	deploys: Map<string, Deploy>;
	agents: Agent[];
	incidents: Map<string, Incident>; // the open ones
	link: "loading" | "live" | "lost" | "denied";
	problem: string;
	heardAt: number;
}

export const world: World = {
	services: [], cells: new Map(), deploys: new Map(), agents: [], incidents: new Map(), link: "loading", problem: "", heardAt: 0,
};

let changed = () => {};
export function onChange(call: () => void): void {
	changed = call;
}

const cellKey = (c: Cell) => JSON.stringify([c.service, c.endpoint, c.edge]);

async function loadAll(): Promise<void> {
	const [services, cells, deploys, agents, incidents] = await Promise.all([
		list<Service>("/api/v1/services"),
		list<Cell>("/api/v1/cells?limit=1000"),
		list<Deploy>("/api/v1/deploys?limit=100"),
		list<Agent>("/api/v1/agents"),
		list<Incident>("/api/v1/incidents?state=open"),
	]);
	world.incidents = new Map(incidents.map((i) => [i.id, i]));
	world.services = services;
	world.cells = new Map(cells.map((c) => [cellKey(c), c]));
	world.deploys = new Map(deploys.map((d) => [d.id, d]));
	world.agents = agents;
}

// Ages, counts and agents' states also move with time alone, which no event tells: they are read again now and then. Cells
// tell of every change of state and version themselves.
let round = 0;
async function refresh(): Promise<void> {
	if (world.link !== "live") return;
	const cells = ++round % 6 === 0 ? await list<Cell>("/api/v1/cells?limit=1000") : null; // every 60 s
	if (cells) world.cells = new Map(cells.map((c) => [cellKey(c), c]));
	refreshSoon(0);
}
let refreshing: ReturnType<typeof setTimeout> | undefined;
function refreshSoon(ms: number): void {
	if (refreshing !== undefined) return;
	refreshing = setTimeout(async () => {
		refreshing = undefined;
		try {
			[world.services, world.agents] = await Promise.all([
				list<Service>("/api/v1/services"), list<Agent>("/api/v1/agents"),
			]);
			changed();
		} catch {
			// the stream notices a lost collector, and says so
		}
	}, ms);
}

function apply(e: StreamEvent): boolean {
	world.heardAt = Date.now();
	if (e.event === "reset") return false;
	if (e.event === "cell") {
		const cell = JSON.parse(e.data) as Cell;
		world.cells.set(cellKey(cell), cell);
		refreshSoon(1000);
	} else if (e.event === "deploy") {
		const deploy = JSON.parse(e.data) as Deploy;
		world.deploys.set(deploy.id, deploy);
		refreshSoon(1000);
	} else if (e.event === "incident") {
		const incident = JSON.parse(e.data) as Incident;
		if (incident.state === "open") world.incidents.set(incident.id, incident);
		else world.incidents.delete(incident.id);
	} else {
		refreshSoon(300);
	}
	changed();
	return true;
}

let running: AbortController | undefined;

export async function follow(): Promise<void> {
	running?.abort();
	const mine = new AbortController();
	running = mine;
	let pause = 500;
	while (!mine.signal.aborted) {
		const connection = new AbortController();
		const end = () => connection.abort();
		mine.signal.addEventListener("abort", end);
		try {
			// The stream is opened before the state is read: what happens in between comes twice, never not at all.
			const early: StreamEvent[] = [];
			let loaded = false;
			await stream("/api/v1/stream", "", (e) => {
				if (!loaded) early.push(e);
				else if (!apply(e)) end();
			}, () => {
				loadAll().then(() => {
					loaded = true;
					for (const e of early) if (!apply(e)) end();
					world.link = "live";
					world.problem = "";
					world.heardAt = Date.now();
					pause = 500;
					changed();
				}, (err: unknown) => {
					world.problem = String(err instanceof Error ? err.message : err);
					end();
				});
			}, connection.signal);
		} catch (err) {
			if (mine.signal.aborted) return;
			if (err instanceof ApiError && (err.status === 401 || err.status === 403)) {
				world.link = "denied";
				changed();
				return; // until somebody gives a token
			}
		}
		mine.signal.removeEventListener("abort", end);
		world.link = "lost";
		changed();
		await new Promise((done) => setTimeout(done, pause * (0.5 + Math.random())));
		pause = Math.min(pause * 2, 10000);
	}
}

setInterval(() => void refresh().catch(() => {}), 10000); // a lost collector shows on the stream
