#!/usr/bin/env bash
# Makes tls/: an authority of its own and one certificate for server and console, good for a year. For a trial;
# a centre takes certificates of its own authority and puts them there under the same names.
#   ./certificates.sh desk.example        # further names by which browsers and telephony call this machine
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p tls
names="DNS:yuetone,DNS:server,DNS:localhost,IP:127.0.0.1"
for name in "$@"; do names="$names,DNS:$name"; done
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
if [[ ! -e tls/ca.key ]]; then
new_key tls/ca.key
openssl req -x509 -new -key tls/ca.key -days 365 -subj "/CN=Yuetone trial authority" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" -out tls/ca.pem
fi
new_key tls/server.key
openssl req -new -key tls/server.key -subj "/CN=yuetone" |
  openssl x509 -req -CA tls/ca.pem -CAkey tls/ca.key -CAcreateserial -days 365 -out tls/server.pem \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$names")
chmod 600 tls/ca.key
chmod 640 tls/server.key
chmod 755 tls && chmod 644 tls/ca.pem tls/server.pem
# the containers' user reads the key
if [[ $EUID -eq 0 ]]; then chown 10001 tls/server.key; else
  echo "let the containers read the key:  sudo chown 10001 tls/server.key   (rootless Podman: podman unshare chown …)"
fi
echo "tls/ca.pem is what clients trust"
