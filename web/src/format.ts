import type { State } from "./types";

// 75 -> "1m 15s". Two parts at most: enough to judge by, short enough for a cell.
export function duration(s: number): string {
	if (s < 0) return `-${duration(-s)}`;
	if (s < 10 && s % 1 !== 0) return `${s.toFixed(1)}s`;
	s = Math.round(s);
	const units: [string, number][] = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
	const parts: string[] = [];
	for (const [name, size] of units) {
		if (parts.length === 2) break;
		const n = Math.floor(s / size);
		if (n > 0 || (name === "s" && parts.length === 0)) parts.push(`${n}${name}`);
		else if (parts.length) break;
		s -= n * size;
	}
	return parts.join(" ");
}

export function ago(iso: string | null, now: number): string {
	if (!iso) return "never";
	const s = (now - Date.parse(iso)) / 1000;
	return s < 1.5 ? "now" : `${duration(s)} ago`;
}

export const percent = (share: number | null): string =>
	share === null ? "–" : `${(Math.floor(share * 1000) / 10).toFixed(share === 1 || share === 0 ? 0 : 1)}%`;

export const bounds = (b: [number | null, number | null] | null | undefined): string => {
	if (!b || b[1] === null) return "not yet";
	const low = duration(Math.max(0, b[0] ?? 0));
	const high = duration(Math.max(0, b[1]));
	return low === high ? high : `${low} – ${high}`;
};

// A state is told by a shape and a word first; colour only repeats it.
export const SHAPE: Record<State, string> = {
	fresh: "✓", stale: "▲", mixed: "◐", failing: "✕", unknown: "?", ahead: "◆", silent: "○", moved: "→", never_seen: "·",
};
export const SAYS: Record<State, string> = {
	fresh: "serves the deployed version",
	stale: "still serves an older version",
	mixed: "answers old and new in turn",
	failing: "every agent's last three probes failed",
	unknown: "serves a version that no deploy names",
	ahead: "serves a version that has not started",
	silent: "its agents report nothing",
	moved: "its agents are answered by other edges now",
	never_seen: "nothing came yet",
};
export const WORD: Record<State, string> = {
	fresh: "fresh", stale: "stale", mixed: "mixed", failing: "failing", unknown: "unknown", ahead: "ahead", silent: "silent",
	moved: "moved", never_seen: "never seen",
};
