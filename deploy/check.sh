#!/bin/sh
# Linters, and a trial creation of all stacks on a stand-in for AWS: `make deploy-check`. It needs the package index once.
# The first argument is the project's own Python.
set -eu
cd "$(dirname "$0")/.."
python=$1
tools=.venv-deploy/bin
[ -x "$tools/pip" ] || "$python" -m venv .venv-deploy
"$tools/pip" install --quiet --disable-pip-version-check -r deploy/checks.txt
# Apart from the linters, whose boto3 is older than it can use.
aws=.venv-deploy/ministack/bin
[ -x "$aws/pip" ] || "$python" -m venv .venv-deploy/ministack
"$aws/pip" install --quiet --disable-pip-version-check ministack==1.5.33

"$(dirname "$python")/cfn-lint" --ignore-templates deploy/checkov.yaml deploy/workspace.yaml --template deploy/*.yaml
"$tools/checkov" --config-file deploy/checkov.yaml
"$tools/checkov" --framework dockerfile --skip-download --compact --quiet --file Dockerfile
"$tools/hadolint" Dockerfile

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
GATEWAY_PORT=$port "$aws/ministack" >/dev/null 2>&1 &
trap 'kill $!' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	sleep 1
	"$python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break
done
"$python" -m pipeline_assets_tests.deploy.on_ministack "http://127.0.0.1:$port"
