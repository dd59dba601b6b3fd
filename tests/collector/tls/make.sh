#!/bin/sh
# make.sh - makes the certificates of this folder anew: a test authority, the collector's, an agent's, and a stranger's. They prove
# nothing to anybody and hold for a hundred years, so that tests do not end with them.
set -eu
cd "$(dirname "$0")"
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
authority() { key "$1" && openssl req -new -x509 -key "$1.key" -sha256 -days 36500 -subj "/CN=tidemark test $1" -out "$1.pem"; }
signed() { # signed NAME AUTHORITY EXTENSIONS
	key "$1"
	openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
	printf '%s\n' "$3" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -sha256 -days 36500 -extfile "$1.ext" -out "$1.pem"
	rm -f "$1.csr" "$1.ext" "$2.srl"
}
authority ca
authority stranger
signed collector ca 'subjectAltName=DNS:localhost,IP:127.0.0.1'
signed agent ca 'extendedKeyUsage=clientAuth'
rm -f ca.key
mv stranger.pem stranger-ca.pem
rm -f stranger.key
# One whose time was over as soon as it began.
key expired
openssl req -new -key expired.key -subj "/CN=expired" -out expired.csr
openssl x509 -req -in expired.csr -signkey expired.key -sha256 -days 0 -out expired.pem
rm -f expired.csr
