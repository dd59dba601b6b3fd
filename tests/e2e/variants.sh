#!/usr/bin/env bash
# variants - a cache that keeps a copy for each Accept-Encoding (Vary), and a purge that spares the brotli copy: with `variants:`
# that copy, and it alone, is shown stale.
. "$(dirname "$0")/lib.sh"

free_port origin_port
free_port edge_port
serves() { # serves VERSION: what the origin answers from now on
	mkdir -p "$run/origin"
	printf '{"version":"%s"}\n' "$1" >"$run/origin/.version"
	mv "$run/origin/.version" "$run/origin/version"
}
nginx_file() {
	nginx_head varying
	cat <<-C
		proxy_cache_path $run/cache keys_zone=copies:1m;
		server {
			listen 127.0.0.1:$origin_port;
			root $run/origin;
			gzip off;
			add_header Vary Accept-Encoding;
			add_header Cache-Control "public, max-age=3600";
			add_header X-Asked-For "<\$http_accept_encoding>";
		}
		server {
			listen 127.0.0.1:$edge_port;
			add_header X-Cache-Status \$upstream_cache_status;
			add_header X-Pop fra;
			location / {
				proxy_pass http://127.0.0.1:$origin_port;
				proxy_cache copies;
				proxy_cache_key \$uri;
			}
		}
		}
	C
}
purge() { # purge ENCODING: the copies that were made for it
	grep -rlaF "X-Asked-For: <$1>" "$run/cache" | xargs -r rm -f
}
mkdir -p "$run/nginx/varying" "$run/log" "$run/pid" "$run/cache"
chmod 777 "$run" "$run/cache"
serves v1
nginx_file >"$run/nginx/varying/conf"
start nginx-varying nginx -c "$run/nginx/varying/conf"
until_true 20 "the edge answers" curl -fsS -H 'Accept-Encoding: br' "http://127.0.0.1:$edge_port/version"

free_port http_port
free_port agents_port
cat >"$run/collector.yaml" <<-C
	listen: {http: "127.0.0.1:$http_port", agents: "tcp://127.0.0.1:$agents_port"}
	store: "sqlite:$run/tidemark.db"
	services:
	  - name: shop
	    interval: 500ms
	    version: {json: /version}
	    pop_header: X-Pop
	    verify: {timeout: 30s}
	    endpoints:
	      - id: version
	        url: "http://127.0.0.1:$edge_port/version"
	        variants:
	          - {name: br, headers: {Accept-Encoding: br}}
	          - {name: gzip, headers: {Accept-Encoding: gzip}}
	          - {name: app, headers: {Accept-Encoding: identity, Origin: 'https://app.example.com'}}
C
collector_start
mkdir -p "$run/agent/fra-1"
tidemark agents enroll fra-1 -o json | jq -r .token >"$run/agent/fra-1/token"
cat >"$run/agent/fra-1/agent.yaml" <<-C
	name: fra-1
	collector: tcp://127.0.0.1:$agents_port
	token_file: token
	spool: {dir: spool}
	allow_networks: [127.0.0.0/8]
C
tidemark deploy shop --version v1 --live-at now >/dev/null
start agent-fra-1 "$bin/agent/tidemark-agent" --config "$run/agent/fra-1/agent.yaml"
cells() { api "/api/v1/cells?service=shop" | jq -r '[.items[] | .endpoint + "=" + .state] | sort | join(" ")'; }
cells_are() { [ "$(cells)" = "$1" ]; }
until_true 30 "three variants, three cells" cells_are "version.app=fresh version.br=fresh version.gzip=fresh"
say "ok   each variant is an endpoint of its own"

serves v2
purge gzip
purge identity
tidemark deploy shop --version v2 --live-at now >/dev/null
until_true 30 "the spared copy shows" cells_are "version.app=fresh version.br=stale version.gzip=fresh"
say "ok   a purge that spared the brotli copy: it alone is stale"
tidemark edges shop --state stale >"$run/out"
grep -q 'version.br' "$run/out" || die "tidemark edges does not name it: $(cat "$run/out")"
! grep -q 'version.gzip\|version.app' "$run/out" || die "tidemark edges names more than that: $(cat "$run/out")"
say "ok   tidemark edges names it, and no other"
purge br
until_true 30 "all fresh once it is purged too" cells_are "version.app=fresh version.br=fresh version.gzip=fresh"
say "ok   fresh once it is purged too"
