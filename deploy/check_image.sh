#!/bin/sh
# The steps of the Dockerfile in a bare virtual environment, where no engine for containers is: `make image-check`. It installs
# about 600 MB, then starts code location, daemon and web server as compose.yaml does, with a home and a lake that are empty,
# and asks the web server whether the code location has loaded. The argument is a Python.
set -eu
project=$(cd "$(dirname "$0")/.." && pwd)
app=$(mktemp -d)
started=""
# Each is started in a group of its own, because a code server has a child that would outlive it.
trap 'kill -KILL $started 2>/dev/null || true; rm -rf "$app"' EXIT
"$1" -m venv "$app/venv"
PATH=$app/venv/bin:$PATH
pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes -r "$project/deploy/requirements.txt"
mkdir "$app/src" "$app/home" "$app/landing" "$app/tmp"
(cd "$project" && cp -r pyproject.toml setup.py README.md LICENSE pipeline_assets spark_resources "$app/src")
pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-build-isolation "$app/src"
cp "$project/dagster.yaml" "$project/deploy/workspace.yaml" "$project/deploy/entrypoint.sh" "$app"
sed -i "s|/app/|$app/|; s|4000|4711|" "$app/entrypoint.sh" "$app/workspace.yaml"
cd "$app"
export DAGSTER_HOME="$app/home" HOME="$app/tmp" TMPDIR="$app/tmp" MPLCONFIGDIR="$app/tmp" PYTHONDONTWRITEBYTECODE=1
export PIPELINE_LAKE_URI="$app/lake" PIPELINE_LANDING_URI="$app/landing"
setsid ./entrypoint.sh dagster code-server start -m pipeline_assets.definitions -h 127.0.0.1 -p 4711 >code.log 2>&1 &
started=-$!
for _ in $(seq 60); do sleep 2; dagster api grpc-health-check -p 4711 >/dev/null 2>&1 && break; done
setsid dagster-daemon run -w workspace.yaml >daemon.log 2>&1 &
started="$started -$!"
setsid dagster-webserver -w workspace.yaml -h 127.0.0.1 -p 3711 >web.log 2>&1 &
started="$started -$!"
asked='{"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } assetNodes { id } } } } }"}'
for _ in $(seq 60); do
	sleep 2
	answer=$(python -c "
import json, urllib.request
asked = urllib.request.Request('http://127.0.0.1:3711/graphql', b'''$asked''', {'Content-Type': 'application/json'})
(found,) = json.load(urllib.request.urlopen(asked))['data']['repositoriesOrError']['nodes']
print(found['location']['name'], len(found['assetNodes']), 'assets')" 2>/dev/null) && break
done
echo "web server: ${answer:?did not answer; $(tail -3 web.log code.log)}"
pipeline-assets doctor
