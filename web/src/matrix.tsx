// The cell matrix: edges by endpoints. A table on wide screens; on narrow ones each edge becomes a card, by CSS alone.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api";
import { SAYS, SHAPE, WORD, ago, duration } from "./format";
import { CellWhy } from "./why";
import type { Cell, Service, State, Transition } from "./types";

const short = (text: string, n: number) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);

// What the API says holds for the moment of the last look; while looks keep coming, the clock goes on from there.
const since = (iso: string, now: number) => Math.max(0, Math.round((now - Date.parse(iso)) / 1000));

function city(c: Cell): string | null {
	return c.place?.from === "header" ? [c.place.city, c.place.country].filter(Boolean).join(", ") : null;
}

// An edge whose code is in no table is shown where its agents are, and as nothing more than that.
function hint(c: Cell): string | null {
	return c.place?.from === "agent" ? `unknown; its agents are at ${c.place.lat.toFixed(1)}, ${c.place.lon.toFixed(1)}` : null;
}

function detail(c: Cell, now: number): string {
	if (c.state === "stale" && c.stale_since) return `for ${duration(since(c.stale_since, now))}`;
	if (c.state === "mixed" && c.staleness_s) return `for ${duration(c.staleness_s)}`;
	if (c.state === "silent" || c.state === "moved") return `seen ${ago(c.last_seen, now)}`;
	if (c.age_s !== null && c.cached_at) return `age ${duration(since(c.cached_at, now))}`;
	return c.cache && c.cache !== "unknown" ? c.cache : "";
}

function CellBox({ cell, now, open, label }: { cell: Cell | undefined; now: number; open: (c: Cell) => void; label: string }) {
	if (!cell) return <td data-endpoint={label} class="none"><span class="quiet">no answer yet</span></td>;
	return (
		<td data-endpoint={label}>
			<button type="button" class={`cell s-${cell.state}`} onClick={() => open(cell)}
				aria-label={`${cell.edge} ${cell.endpoint}: ${WORD[cell.state]}, ${SAYS[cell.state]}`}>
				<span class="shape" aria-hidden="true">{SHAPE[cell.state]}</span>
				<span class="word">{WORD[cell.state]}</span>
				<span class="version">{cell.version ? short(cell.version, 18) : "–"}</span>
				<span class="detail">{detail(cell, now)}</span>
			</button>
		</td>
	);
}

const WORST: State[] = ["failing", "stale", "mixed", "unknown", "ahead", "silent", "moved", "never_seen", "fresh"];

export function Matrix({ service, cells, now }: { service: Service; cells: Cell[]; now: number }) {
	const [opened, setOpened] = useState<string | null>(null);
	const [only, setOnly] = useState<"all" | "not fresh">("all");
	const keyOf = (c: Cell) => `${c.endpoint}\n${c.edge}`;
	const byKey = new Map(cells.map((c) => [keyOf(c), c]));
	const cityOf = new Map(cells.map((c) => [c.edge, city(c)]));
	const groups = new Map<string, Set<string>>();
	for (const c of cells) {
		if (only === "not fresh" && c.state === "fresh") continue;
		const region = c.regions.length ? [...c.regions].sort().join(", ") : "no region";
		(groups.get(region) ?? groups.set(region, new Set()).get(region)!).add(c.edge);
	}
	// an edge seen from several regions at some endpoints only would show twice: the first group keeps it
	const seen = new Set<string>();
	const open = opened ? byKey.get(opened) : undefined;
	const wrong = cells.filter((c) => c.state !== "fresh").length;
	if (cells.length === 0)
		return <p class="empty">No answer has come from any edge yet. Agents show up below once they are connected.</p>;
	return (
		<section aria-label="cells">
			<div class="bar">
				<h2>Edges</h2>
				<div class="choice" role="group" aria-label="which edges">
					<button type="button" aria-pressed={only === "all"} onClick={() => setOnly("all")}>all {cells.length}</button>
					<button type="button" aria-pressed={only === "not fresh"} onClick={() => setOnly("not fresh")}>not fresh {wrong}</button>
				</div>
			</div>
			{groups.size === 0 && <p class="empty">Every cell is fresh.</p>}
			{groups.size > 0 && (
				<div class="scroll">
					<table class="matrix">
						<thead>
							<tr>
								<th scope="col">edge</th>
								{service.endpoints.map((e) => <th scope="col" title={e.url} key={e.id}>{e.id}</th>)}
							</tr>
						</thead>
						{[...groups.entries()].sort().map(([region, edges]) => (
							<tbody key={region}>
								<tr class="region"><th colSpan={service.endpoints.length + 1} scope="rowgroup">{region}</th></tr>
								{[...edges].sort().filter((edge) => !seen.has(edge) && seen.add(edge)).map((edge) => (
									<tr key={edge}>
										<th scope="row">{edge}{cityOf.get(edge) && <small>{cityOf.get(edge)}</small>}</th>
										{service.endpoints.map((e) => (
											<CellBox key={e.id} label={e.id} now={now} cell={byKey.get(`${e.id}\n${edge}`)}
												open={(c) => setOpened(keyOf(c) === opened ? null : keyOf(c))} />
										))}
									</tr>
								))}
							</tbody>
						))}
					</table>
				</div>
			)}
			{open && <CellPanel cell={open} url={service.endpoints.find((e) => e.id === open.endpoint)?.url ?? ""} now={now}
				close={() => setOpened(null)} />}
			<ul class="legend" aria-label="legend">
				{WORST.slice().reverse().filter((s) => cells.some((c) => c.state === s)).map((s) => (
					<li key={s}><span class={`shape s-${s}`}>{SHAPE[s]}</span> {WORD[s]}: {SAYS[s]}</li>
				))}
			</ul>
		</section>
	);
}

function CellPanel({ cell, url, now, close }: { cell: Cell; url: string; now: number; close: () => void }) {
	const [history, setHistory] = useState<Transition[] | null>(null);
	useEffect(() => {
		let mine = true;
		get<{ transitions: Transition[] }>(
			`/api/v1/cells/${encodeURIComponent(cell.endpoint)}/${encodeURIComponent(cell.edge)}/history?service=${encodeURIComponent(cell.service)}`,
		).then((h) => mine && setHistory(h.transitions ?? []), () => mine && setHistory(null));
		return () => {
			mine = false;
		};
	}, [cell.endpoint, cell.edge, cell.state, cell.version]);
	const rows: [string, string | null][] = [
		["state", `${WORD[cell.state]}: ${SAYS[cell.state]}`],
		["place", city(cell) ?? hint(cell)],
		["serves", cell.version],
		["should serve", cell.expected],
		["stale for", cell.staleness_s !== null ? `${duration(cell.staleness_s)}${cell.behind ? `, ${cell.behind} deploy${cell.behind > 1 ? "s" : ""} behind` : ""}` : null],
		["cached", cell.cached_at ? `${new Date(cell.cached_at).toLocaleString()} (${ago(cell.cached_at, now)})` : null],
		["age, remaining life", cell.age_s !== null ? `${duration(cell.age_s)}, ${cell.ttl_s === null ? "not told" : duration(cell.ttl_s)}` : null],
		["cache said", cell.cache],
		["last seen", ago(cell.last_seen, now)],
		["agents", cell.agents.join(", ") || null],
		["url", url],
	];
	return (
		<aside class="panel" aria-label="cell">
			<div class="bar"><h3>{cell.edge} · {cell.endpoint}</h3><button type="button" onClick={close}>close</button></div>
			<dl>
				{rows.filter(([, v]) => v).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
			</dl>
			<CellWhy cell={cell} />
			{history && history.length > 0 && (
				<ol class="history">
					{history.slice(-12).reverse().map((t, i) => (
						<li key={i}>
							<time dateTime={t.at}>{new Date(t.at).toLocaleTimeString()}</time> {WORD[t.from]} → <b>{WORD[t.to]}</b>
							{t.version && <> <code>{short(t.version, 24)}</code></>}{t.late && " (told late)"}
						</li>
					))}
				</ol>
			)}
		</aside>
	);
}
