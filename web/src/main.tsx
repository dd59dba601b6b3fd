import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./app.css";
import { collectorNow, tokenSet } from "./api";
import { Curve } from "./curve";
import { SHAPE, WORD, ago, bounds, percent } from "./format";
import { Matrix } from "./matrix";
import { DeployWhy } from "./why";
import { follow, onChange, world } from "./store";
import { type Agent, type Cell, type Deploy, type Incident, STATES, type Service } from "./types";

const VERDICT_SHAPE: Record<string, string> = {
	pending: "…", converging: "◔", verified: "✓", failed: "✕", inconclusive: "?", superseded: "»", aborted: "–",
};

function Verdict({ verdict }: { verdict: string }) {
	return <span class={`verdict v-${verdict}`}><span aria-hidden="true">{VERDICT_SHAPE[verdict] ?? ""}</span> {verdict}</span>;
}

function Link({ now }: { now: number }) {
	if (world.link === "live") return <span class="link ok">● live</span>;
	if (world.link === "loading") return <span class="link">◌ connecting</span>;
	const since = world.heardAt ? `; what is shown is from ${ago(new Date(world.heardAt).toISOString(), now)}` : "";
	return <span class="link bad" role="alert">✕ no connection to the collector{since}{world.problem && ` (${world.problem})`}</span>;
}

function Token() {
	return (
		<form class="token" onSubmit={(e) => {
			e.preventDefault();
			tokenSet(new FormData(e.currentTarget as HTMLFormElement).get("token")?.toString() ?? "");
			void follow();
		}}>
			<label for="token">This collector asks for a token with the scope <code>read</code>.</label>
			<div><input id="token" name="token" type="password" autocomplete="off" required /> <button>open</button></div>
		</form>
	);
}

function Incidents({ incidents, now }: { incidents: Incident[]; now: number }) {
	if (incidents.length === 0) return null;
	return (
		<section aria-label="incidents" class="incidents">
			{incidents.map((i) => (
				<p key={i.id} role="alert">
					<b class={`i-${i.severity}`}>▲ {i.severity}</b> incident, {i.service} <code>{i.version}</code>: {i.not_fresh} of {i.cells} cells are not
					right{i.cause && <>, <code>{i.cause}</code></>}; opened {ago(i.opened_at, now)}. <code>tidemark postmortem {i.deploy}</code>
				</p>
			))}
		</section>
	);
}

function DeployPanel({ deploy, now }: { deploy: Deploy; now: number }) {
	const p = deploy.propagation;
	return (
		<section aria-label="deploy" class="deploy">
			<div class="bar">
				<h2>Deploy <code>{deploy.version}</code></h2>
				<Verdict verdict={deploy.verdict} />
			</div>
			{deploy.reason && <p class="reason">{deploy.reason}</p>}
			{deploy.verdict !== "verified" && deploy.decided_at && p.observed > 0 && p.converged === p.observed && (
				<p class="reason now">✓ By now all {p.observed} observed cells serve it.</p>
			)}
			<DeployWhy deploy={deploy} />
			<dl class="figures">
				<div><dt>converged</dt><dd>{percent(p.converged_share)} <small>{p.converged} of {p.observed}</small></dd></div>
				<div><dt>coverage</dt><dd>{percent(p.coverage)} <small>{p.known} known before</small></dd></div>
				<div><dt>half after</dt><dd>{bounds(p.t50_s)}</dd></div>
				<div><dt>90% after</dt><dd>{bounds(p.t90_s)}</dd></div>
				<div><dt>all after</dt><dd>{bounds(p.t100_s)}</dd></div>
				<div><dt>live</dt><dd>{deploy.live_at ? ago(deploy.live_at, now) : "not yet"} <small>{deploy.live_source ?? ""}</small></dd></div>
			</dl>
			<Curve deploy={deploy} />
		</section>
	);
}

function Agents({ agents, now }: { agents: Agent[]; now: number }) {
	return (
		<section aria-label="agents">
			<h2>Agents</h2>
			{agents.length === 0 && (
				<p class="empty">None yet. <code>tidemark agents enroll NAME --region REGION</code> prints a token for the first.</p>
			)}
			{agents.length > 0 && (
				<table class="agents">
					<thead><tr><th scope="col">agent</th><th scope="col">region</th><th scope="col">state</th><th scope="col">last result</th></tr></thead>
					<tbody>
						{agents.map((a) => (
							<tr key={a.name}>
								<th scope="row">{a.name}</th>
								<td>{a.region ?? "–"}</td>
								<td class={`a-${a.state}`}>{a.state === "connected" ? "● " : a.state === "late" ? "◐ " : "○ "}{a.state.replace("_", " ")}{a.clock_suspect && ", clock off"}{a.lost && <> <small title={`observed ${a.lost.from} to ${a.lost.to}`}>lost {a.lost.results} results</small></>}</td>
								<td>{ago(a.last_result, now)}</td>
							</tr>
						))}
					</tbody>
				</table>
			)}
		</section>
	);
}

function ServiceTab({ service, chosen, choose }: { service: Service; chosen: boolean; choose: () => void }) {
	const counts = STATES.filter((s) => service.cells[s]);
	return (
		<button type="button" class="service" aria-pressed={chosen} onClick={choose}>
			<b>{service.name}</b>
			<span>{service.current ? <code>{service.current.version}</code> : "no deploy yet"}{service.rolling && <> ⇢ <code>{service.rolling.version}</code></>}</span>
			<span class="counts">
				{counts.map((s) => <span key={s} class={`s-${s}`}>{SHAPE[s]} {service.cells[s]} {WORD[s]}</span>)}
				{counts.length === 0 && "no cells yet"}
			</span>
		</button>
	);
}

function current(deploys: Deploy[]): Deploy | undefined {
	return deploys.sort((a, b) => (a.started_at < b.started_at ? 1 : -1))[0];
}

function App() {
	const [, setTick] = useState(0);
	const [now, setNow] = useState(collectorNow());
	const [chosen, setChosen] = useState(decodeURIComponent(location.hash.slice(1)));
	useEffect(() => {
		let asked = false;
		onChange(() => { // at most once a frame, however many events come
			if (asked) return;
			asked = true;
			requestAnimationFrame(() => {
				asked = false;
				setTick((n) => n + 1);
			});
		});
		void follow();
		const clock = setInterval(() => setNow(collectorNow()), 1000);
		const moved = () => setChosen(decodeURIComponent(location.hash.slice(1)));
		addEventListener("hashchange", moved);
		return () => {
			clearInterval(clock);
			removeEventListener("hashchange", moved);
		};
	}, []);
	const service = world.services.find((s) => s.name === chosen) ?? world.services[0];
	const cells: Cell[] = service ? [...world.cells.values()].filter((c) => c.service === service.name) : [];
	const deploy = service && current([...world.deploys.values()].filter((d) => d.service === service.name));
	return (
		<>
			<header><h1>tidemark</h1><Link now={now} /></header>
			<main class={world.link === "lost" ? "old" : ""}>
				{world.link === "denied" && <Token />}
				{world.link === "live" && world.services.length === 0 && <p class="empty">No service is configured.</p>}
				<Incidents incidents={[...world.incidents.values()]} now={now} />
				{world.services.length > 0 && (
					<nav aria-label="services">
						{world.services.map((s) => (
							<ServiceTab key={s.name} service={s} chosen={s === service} choose={() => { location.hash = encodeURIComponent(s.name); }} />
						))}
					</nav>
				)}
				{service && (
					<div class="columns">
						<Matrix key={service.name} service={service} cells={cells} now={now} />
						<div class="side">
							{deploy ? <DeployPanel deploy={deploy} now={now} /> : (
								<section><h2>Deploy</h2><p class="empty">None announced. <code>tidemark deploy {service.name} --version V</code> announces one.</p></section>
							)}
							<Agents agents={world.agents} now={now} />
						</div>
					</div>
				)}
			</main>
		</>
	);
}

const root = document.getElementById("app");
if (root) {
	root.textContent = "";
	render(<App />, root);
}
