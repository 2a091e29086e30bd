#!/bin/sh
# Makes the secrets that docker-compose.yml reads, once: what exists is kept.
set -eu
folder=${1:-$(dirname "$0")/secrets}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# In containers the files are read by users of their own, so it is the folder that is closed.
keep() {
    [ -s "$folder/$1" ] || printf '%s\n' "$2" > "$folder/$1"
    chmod 444 "$folder/$1"
}

mkdir -p "$folder"
chmod 700 "$folder"
keep postgres_password "$(random)"
keep nats_password "$(random)"
postgres=$(cat "$folder/postgres_password")
nats=$(cat "$folder/nats_password")
keep log_dsn "postgresql://dalsegno:$postgres@postgres:5432/dalsegno?sslmode=disable"
keep nats_authorization "authorization { user: \"dalsegno\", password: \"$nats\" }"
