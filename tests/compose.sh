#!/usr/bin/env bash
# Bring the containers up for real, in every way there is, and down again; `make test-compose` runs it.
# It works in a copy of the checkout, with a project name and ports of its own: a service that runs here is left alone.
set -euo pipefail

HOME_DIR=$(cd "$(dirname "$0")/.." && pwd)
COPY=$(mktemp -d)
LOG=$COPY.log
export COMPOSE_PROJECT_NAME=cockpit-test COCKPIT_IMAGE=cockpit-test
export COCKPIT_PORT=18000 WRITE_PORT=18001 READ_PORT=18002 POSTGRES_PORT=15432 POSTGRES_PASSWORD="it's a \$mall secret"
unset COCKPIT_DATABASE_URL COCKPIT_HOST
API=http://127.0.0.1:$COCKPIT_PORT

step() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
quietly() { "$@" >>"$LOG" 2>&1 || { tail -n 40 "$LOG" >&2; fail "$*"; }; }
code() { curl -s -o /dev/null -w '%{http_code}' "$@" || true; }
until_true() { # SECONDS COMMAND...: what it took, in seconds; a failure when it takes longer
  local limit=$1 began=$SECONDS; shift
  until "$@"; do ((SECONDS - began < limit)) || fail "not within $limit s: $*"; sleep 0.1; done
}
health() { docker inspect --format '{{.State.Health.Status}}' "$(docker compose ps --all --quiet "$1")"; }
is() { [ "$(health "$1")" = "$2" ]; }
answers() { [ "$(code "$2")" = "$1" ]; }
titled() { curl -s "$API/openapi.json" | grep -q "\"title\":\"$1\""; }
token() {
  curl -s "$1/api/v1/auth/token" -H 'Content-Type: application/json' -d '{"username": "user_1", "password": "1234"}' |
    sed 's/.*"token":"\([^"]*\)".*/\1/'
}

finish() {
  local status=$?
  [ "$status" = 0 ] || docker compose --profile dev --profile split logs --no-color --tail 10 >&2 || true
  make clean >>"$LOG" 2>&1 || true
  cd / && rm -rf "$COPY" "$LOG"
  exit "$status"
}
trap finish EXIT

(cd "$HOME_DIR" && git ls-files -z --cached --others --exclude-standard | tar -c --null --files-from=-) | tar -x -C "$COPY"
chmod 755 "$COPY" && cd "$COPY"
cp env.example .env
quietly make clean
step "from nothing: no container, no volume, env.example as .env"

quietly docker compose build
step "the image is built"
quietly make up && quietly make up
is api healthy && is project healthy && is db healthy || fail "make up came back before all was healthy"
answers 200 "$API/ping/" || fail "/ping/ does not answer"
[ "$(docker compose exec -T api id -u)" != 0 ] || fail "the API runs as root"
step "make up, twice: database, migration, projector and API are healthy"

quietly make migrate && quietly make migrate && quietly make fixtures && quietly make fixtures
curl -s "$API/api/v1/entities" | grep -q '"count":11' || fail "the sample data is not there"
step "make migrate and make fixtures, twice: 11 entities"

dsn="host=127.0.0.1 port=$POSTGRES_PORT user=cockpit dbname=cockpit"
(cd "$HOME_DIR" && export PGPASSWORD=$POSTGRES_PASSWORD COCKPIT_TEST_DATABASE_URL=$dsn COCKPIT_DATABASE_URL=$dsn &&
  COCKPIT_TEST_SERVICE=127.0.0.1:$COCKPIT_PORT \
    quietly .venv/bin/python -m pytest -q -n 0 tests/acceptance/test_readme.py -k tour)
step "the README's tour runs as written"

shown=$(cd "$HOME_DIR" && make dev-migrate 2>&1) || fail "make dev-migrate: $shown"
[[ $shown == *"at 127.0.0.1:$POSTGRES_PORT"*"Nothing to do"* ]] || fail "make dev-migrate took another database: $shown"
shown=$(make logs) && [[ $shown == *"projector leads"* ]] || fail "make logs does not show the projector's log"
step "make dev-migrate uses the container's database; make logs shows the log"

quietly docker compose stop db
until_true 60 is api unhealthy
until_true 60 is project unhealthy
answers 503 "$API/readyz" || fail "ready without a database"
step "the database is stopped: API and projector are unhealthy"
quietly docker compose start db
until_true 60 is api healthy
until_true 60 is project healthy
for service in api project; do
  [ "$(docker inspect --format '{{.RestartCount}}' "$(docker compose ps --quiet $service)")" = 0 ] || fail "$service ended"
done
step "the database is back: both are healthy, neither was restarted"

quietly docker compose kill --signal STOP project
until_true 60 is project unhealthy
quietly docker compose kill --signal CONT project
until_true 60 is project healthy
step "the projector hangs, and goes on: unhealthy, and healthy again"

quietly docker compose stop project
until_true 60 is api unhealthy
answers 200 "$API/api/v1/entities" || fail "reads end with the projector"
step "the projector is stopped: the API is unhealthy, and still answers"

quietly make up-split
write=http://127.0.0.1:$WRITE_PORT read=http://127.0.0.1:$READ_PORT
is write healthy && is read healthy || fail "make up-split came back before all was healthy"
position=$(curl -s -o /dev/null -D - "$write/api/v1/entities" -H "Authorization: Token $(token "$write")" \
  -H 'Content-Type: application/json' -d '{"display_name": "Split Personality", "entity_type": "PERSON"}' |
  sed -n 's/^position: \([0-9]*\).*/\1/Ip')
[ -n "$position" ] || fail "the write API gave no position"
curl -s "$read/api/v1/entities?q=split&min_position=$position" | grep -q 'Split Personality' ||
  fail "the read API does not show what the write API took"
[ "$(code "$write/api/v1/entities")" = 405 ] || fail "the write API answers questions"
[ "$(code -X POST "$read/api/v1/auth/token")" = 404 ] || fail "the read API takes commands"
step "make up-split: written on one port, read on the other"

quietly make up-dev
titled Cockpit || fail "the development service does not answer"
began=$(date +%s%N)
sed -i 's/title="Cockpit"/title="Saved"/' cockpit/app.py
until_true 10 titled Saved
took=$((($(date +%s%N) - began) / 1000000))
step "make up-dev: a save is served after $took ms"
((took < 3000)) || fail "more than 3 s"
quietly make up-dev

quietly make down && quietly make down
quietly make up-db && quietly make up-db
[ "$(docker compose ps --services)" = db ] || fail "make up-db started more than the database"
quietly make up-app && quietly make up-app
is api healthy && is project healthy || fail "make up-app came back before all was healthy"
curl -s "$API/api/v1/entities?q=split" | grep -q 'Split Personality' || fail "make down lost data"
step "make down, make up-db, make up-app, each twice: the data is still there"

quietly make clean && quietly make clean
[ -z "$(docker ps --all --quiet --filter label=com.docker.compose.project=$COMPOSE_PROJECT_NAME)" ] || fail "containers are left"
[ -z "$(docker volume ls --quiet --filter label=com.docker.compose.project=$COMPOSE_PROJECT_NAME)" ] || fail "volumes are left"
step "make clean, twice: no container and no volume is left"
echo "Everything came up, and went down."
