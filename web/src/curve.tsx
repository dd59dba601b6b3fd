// The propagation of one deploy: share of cells converged over time, as a band between the earliest and the latest moment
// each switch can have happened (probes see it only between two of theirs).
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { get } from "./api";
import { duration } from "./format";
import type { Deploy, Propagation } from "./types";

function colour(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(into: HTMLElement, p: Propagation, width: number): uPlot {
	// steps: each point holds until the next; a leading zero and a trailing flat end make the shape readable
	const last = p.points[p.points.length - 1];
	const end = Math.max((last?.t_s ?? 0) * 1.08, 5);
	const x = [0, ...p.points.map((q) => Math.max(0, q.t_s)), end];
	const early = [0, ...p.points.map((q) => q.earliest * 100), (last?.earliest ?? 0) * 100];
	const late = [0, ...p.points.map((q) => q.latest * 100), (last?.latest ?? 0) * 100];
	const steps = uPlot.paths.stepped!({ align: 1 });
	const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
	return new uPlot({
		width, height: 200, legend: { show: false }, cursor: { show: false },
		padding: [10, 12, 0, 0],
		scales: { x: { time: false, range: [0, end] }, y: { range: [0, 104] } },
		series: [
			{},
			{ label: "at the earliest", stroke: colour("--accent"), width: 1, dash: [4, 3], paths: steps, points: { show: false } },
			{ label: "at the latest", stroke: colour("--accent"), width: 2, paths: steps, points: { show: false } },
		],
		bands: [{ series: [1, 2], fill: colour("--band") }],
		axes: [
			{ ...axis, values: (_u: uPlot, v: number[]) => v.map((s) => duration(s)), space: 70, size: 28 },
			{ ...axis, values: (_u: uPlot, v: number[]) => v.map((s) => `${s}%`), splits: () => [0, 25, 50, 75, 100], size: 46 },
		],
	}, [x, early, late], into);
}

export function Curve({ deploy }: { deploy: Deploy }) {
	const box = useRef<HTMLDivElement>(null);
	const [data, setData] = useState<Propagation | null>(null);
	const key = `${deploy.id} ${deploy.verdict} ${deploy.propagation.converged} ${deploy.propagation.observed}`;
	useEffect(() => {
		let mine = true;
		get<Propagation>(`/api/v1/deploys/${encodeURIComponent(deploy.id)}/propagation`).then(
			(p) => mine && setData(p),
			() => mine && setData(null),
		);
		return () => {
			mine = false;
		};
	}, [key]);
	useEffect(() => {
		const into = box.current;
		if (!into || !data || data.points.length === 0) return;
		let plot = draw(into, data, into.clientWidth);
		const again = () => {
			plot.destroy();
			plot = draw(into, data, into.clientWidth);
		};
		const resized = new ResizeObserver(() => {
			if (Math.abs(plot.width - into.clientWidth) > 2) again();
		});
		resized.observe(into);
		const scheme = matchMedia("(prefers-color-scheme: dark)");
		scheme.addEventListener("change", again);
		return () => {
			resized.disconnect();
			scheme.removeEventListener("change", again);
			plot.destroy();
		};
	}, [data]);
	if (!data || data.points.length === 0)
		return <p class="empty">No cell has switched to this version yet.</p>;
	return (
		<figure class="curve">
			<div ref={box} />
			<figcaption>
				Share of cells converged since {deploy.live_at ? "it was live" : "it started"}. Solid: at the latest; dashed: at
				the earliest, because a probe sees a switch only between two of its own.
			</figcaption>
		</figure>
	);
}
