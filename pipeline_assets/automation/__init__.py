"""Sensors, freshness, conditions, alerts and backfill policy."""
