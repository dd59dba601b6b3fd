// The collector's HTTP API: JSON by fetch, the stream by fetch too, because EventSource cannot send a token.

let token = sessionStorage.getItem("tidemark-token") ?? "";

export function tokenSet(value: string): void {
	token = value;
	sessionStorage.setItem("tidemark-token", value);
}

// The collector's clock, as far as its Date header tells it: every time shown is compared with that one.
let ahead = 0;
export const collectorNow = (): number => Date.now() + ahead;

export class ApiError extends Error {
	constructor(readonly status: number, message: string) {
		super(message);
	}
}

function headers(more: Record<string, string> = {}): Record<string, string> {
	return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

export async function get<T>(path: string): Promise<T> {
	const answer = await fetch(path, { headers: headers({ Accept: "application/json" }) });
	const date = Date.parse(answer.headers.get("Date") ?? "");
	if (date && Math.abs(date - Date.now()) > 2000) ahead = date - Date.now();
	if (!answer.ok) {
		let text = `${answer.status} ${answer.statusText}`;
		try {
			const problem = (await answer.json()) as { title?: string; detail?: string };
			text = problem.detail ?? problem.title ?? text;
		} catch {
			// not JSON: the status line has to do
		}
		throw new ApiError(answer.status, text);
	}
	return (await answer.json()) as T;
}

// All pages of a list.
export async function list<T>(path: string): Promise<T[]> {
	const all: T[] = [];
	let cursor: string | null = null;
	do {
		const page: { items: T[]; next: string | null } = await get(
			cursor ? `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}` : path,
		);
		all.push(...page.items);
		cursor = page.next;
	} while (cursor);
	return all;
}

export interface StreamEvent {
	event: string;
	id: string;
	data: string;
}

// Reads Server-Sent Events until the connection ends (WHATWG HTML, 9.2). Rejects when it cannot be opened.
export async function stream(path: string, lastId: string, on: (e: StreamEvent) => void, opened: () => void, stop: AbortSignal) {
	const more: Record<string, string> = { Accept: "text/event-stream" };
	if (lastId) more["Last-Event-ID"] = lastId;
	const answer = await fetch(path, { headers: headers(more), signal: stop });
	if (!answer.ok || !answer.body) throw new ApiError(answer.status, `${answer.status} ${answer.statusText}`);
	opened();
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	let event: StreamEvent = { event: "message", id: lastId, data: "" };
	for (;;) {
		const { value, done } = await reader.read();
		if (done) return;
		rest += value;
		const lines = rest.split(/\r\n|\n|\r/);
		rest = lines.pop() ?? "";
		for (const line of lines) {
			if (line === "") {
				if (event.data) on({ ...event, data: event.data.slice(0, -1) });
				event = { event: "message", id: event.id, data: "" };
				continue;
			}
			const colon = line.indexOf(":");
			const field = colon < 0 ? line : line.slice(0, colon);
			const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
			if (field === "event") event.event = text;
			else if (field === "id") event.id = text;
			else if (field === "data") event.data += text + "\n";
		}
	}
}
