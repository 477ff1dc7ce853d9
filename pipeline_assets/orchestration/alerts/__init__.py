"""Alerts: incidents are found in Dagster's events and sent to people, each once."""
