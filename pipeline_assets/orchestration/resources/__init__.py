"""The parts of a deployment as Dagster shows and configures them."""
