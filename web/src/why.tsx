// Why a cell, or a deploy, is not right: the cause in words, what it rests on, what would refute it, one command to run.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api";
import type { Cell, Deploy, Explained, Why } from "./types";

// Asked for again whenever `key` changes; what was there before stays until the new answer has come.
function useAsked<T>(path: string, key: string): T | null {
	const [data, setData] = useState<{ path: string; answer: T } | null>(null);
	useEffect(() => {
		let mine = true;
		get<T>(path).then((answer) => mine && setData({ path, answer }), () => {}); // the link's state says it already
		return () => { mine = false; };
	}, [path, key]);
	return data?.path === path ? data.answer : null;
}

function Command({ text }: { text: string }) {
	const [copied, setCopied] = useState(false);
	return (
		<div class="command">
			<code>{text}</code>
			<button type="button" onClick={() => { void navigator.clipboard?.writeText(text).then(() => setCopied(true)); }}>{copied ? "copied" : "copy"}</button>
		</div>
	);
}

function Told({ why }: { why: Why }) {
	const sibling = why.sibling;
	return (
		<>
			<p>{why.text}</p>
			<ul class="evidence">{why.evidence.map((e) => <li key={e.text}><small>{e.kind}</small> {e.text}</li>)}</ul>
			{why.remarks?.includes("filled_by_probe") && <p class="quiet">Our own probe made this copy.</p>}
			{sibling && (
				<table class="sibling">
					<caption>Beside it, <b>{sibling.endpoint}</b> at <b>{sibling.edge}</b> serves <code>{sibling.version}</code></caption>
					{sibling.differs.length > 0 && (
						<>
							<thead><tr><th scope="col">differs</th><th scope="col">here</th><th scope="col">there</th></tr></thead>
							<tbody>{sibling.differs.map((d) => <tr key={d.what}><th scope="row">{d.what}</th><td>{d.here}</td><td>{d.there}</td></tr>)}</tbody>
						</>
					)}
				</table>
			)}
			{why.refuted_by && <p class="quiet">What would refute it: {why.refuted_by}.</p>}
			{why.next && <Command text={why.next} />}
		</>
	);
}

export function CellWhy({ cell }: { cell: Cell }) {
	const path = `/api/v1/cells/${encodeURIComponent(cell.endpoint)}/${encodeURIComponent(cell.edge)}?service=${encodeURIComponent(cell.service)}`;
	const full = useAsked<Cell & { why?: Why | null }>(path, `${cell.state} ${cell.cause} ${cell.version}`);
	if (!full?.why) return null;
	return (
		<section class="why" aria-label="why">
			<h3>{full.why.cause}{full.why.also?.length ? ` or ${full.why.also.join(", ")}` : ""}</h3>
			<Told why={full.why} />
		</section>
	);
}

const LAYERS = ["edge", "shield", "origin", "mesh", "rollout", "pods"];
const MARK: Record<string, string> = { pass: "✓", fail: "✕", unknown: "?", not_configured: "–" };

export function DeployWhy({ deploy }: { deploy: Deploy }) {
	const key = `${deploy.verdict} ${deploy.propagation.converged} ${deploy.propagation.observed} ${deploy.reason}`;
	const full = useAsked<Explained>(`/api/v1/deploys/${encodeURIComponent(deploy.id)}`, key);
	if (!full?.layers) return null;
	const inner = full.innermost;
	const causes = Object.entries(full.causes ?? {}).sort((a, b) => b[1] - a[1]);
	return (
		<div class="why" role="group" aria-label="cause and layers">
			{full.cause && <h3>{full.cause}</h3>}
			{causes.length > 0 && <p class="quiet">{causes.map(([name, n]) => `${name}: ${n} cell${n === 1 ? "" : "s"}`).join(", ")}</p>}
			{full.why && <Told why={full.why} />}
			<ul class="layers">
				{LAYERS.map((l) => {
					const state = full.layers?.[l] ?? "not_configured";
					return <li key={l} class={`l-${state}`}><span aria-hidden="true">{MARK[state] ?? "?"}</span> {l} <small>{state.replace("_", " ")}</small></li>;
				})}
			</ul>
			{inner && <p><b>Look here: {inner}.</b> {full.layer_evidence?.[inner]}</p>}
			{(full.advisories ?? []).map((a) => <p class="quiet" key={a.text}>{a.endpoint ? `${a.endpoint}: ` : ""}{a.text}</p>)}
		</div>
	);
}
