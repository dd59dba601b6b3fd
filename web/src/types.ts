// What the API says, as this page reads it. Fields it does not use are left out.

export const STATES = [
	"fresh", "stale", "mixed", "failing", "unknown", "ahead", "silent", "moved", "never_seen",
] as const;
export type State = (typeof STATES)[number];

// from "agent": a hint. The edge's code is in no table; this is where the agents are that it answers.
export interface Place {
	city: string | null;
	country: string | null;
	lat: number;
	lon: number;
	from: "header" | "agent";
}

export interface Cell {
	service: string;
	endpoint: string;
	edge: string;
	vendor: string | null;
	pop: string | null;
	place?: Place | null;
	state: State;
	version: string | null;
	expected: string | null;
	staleness_s: number | null;
	stale_since: string | null;
	behind: number | null;
	cause: string | null;
	error?: { kind: string; status: number | null; at: string; since: string | null } | null;
	cached_at: string | null;
	age_s: number | null;
	ttl_s: number | null;
	cache: string | null;
	last_seen: string | null;
	agents: string[];
	regions: string[];
	converged: boolean;
	share?: Record<string, unknown>;
}

export interface Endpoint {
	id: string;
	url: string;
}

export interface Service {
	name: string;
	endpoints: Endpoint[];
	interval_s: number;
	current: { version: string; deploy: string; live_at: string | null } | null;
	rolling: { version: string; deploy: string } | null;
	cells: Partial<Record<State, number>>;
	verdict: string | null;
}

export interface Deploy {
	id: string;
	service: string;
	version: string;
	verdict: string;
	reason: string | null;
	started_at: string;
	live_at: string | null;
	live_source: string | null;
	decided_at: string | null;
	propagation: {
		known: number;
		observed: number;
		converged: number;
		converged_share: number | null;
		coverage: number | null;
		t50_s: [number | null, number | null] | null;
		t90_s: [number | null, number | null] | null;
		t100_s: [number | null, number | null] | null;
	};
	advisories: (string | { code?: string; text?: string })[];
	next: string[];
}

export interface Why {
	cause?: string;
	also?: string[];
	layer: string;
	text: string;
	evidence: { kind: string; text: string; id?: string }[];
	remarks?: string[];
	sibling?: { endpoint: string; edge: string; version: string | null; differs: { what: string; here: string; there: string }[] } | null;
	refuted_by: string;
	next: string;
}

// What one deploy says beyond its place in the list.
export interface Explained {
	cause: string | null;
	causes?: Record<string, number>;
	unexplained?: number | null;
	why?: Why | null;
	layers?: Record<string, string>;
	layer_evidence?: Record<string, string>;
	innermost?: string | null;
	advisories?: { code: string; endpoint?: string; text: string }[];
}

export interface Incident {
	id: string;
	service: string;
	deploy: string;
	version: string;
	state: "open" | "resolved";
	severity: "minor" | "major" | "critical";
	opened_at: string;
	resolved_at: string | null;
	cause: string | null;
	not_fresh: number;
	cells: number;
}

export interface Propagation {
	id: string;
	points: { t_s: number; earliest: number; latest: number }[];
}

export interface Agent {
	name: string;
	region: string | null;
	state: string;
	last_seen: string | null;
	last_result: string | null;
	software: string | null;
	clock_suspect: boolean;
	results: number;
	lost?: { results: number; from: string; to: string } | null;
}

export interface Transition {
	at: string;
	from: State;
	to: State;
	version: string | null;
	late?: boolean;
}
