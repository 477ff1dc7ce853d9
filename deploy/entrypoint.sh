#!/bin/sh
# The Dagster home is a volume; the configuration in it is that of the image, also after an upgrade.
set -eu
ln -sf /app/dagster.yaml "$DAGSTER_HOME/dagster.yaml"
exec "$@"
