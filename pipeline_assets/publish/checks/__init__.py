"""Checks that are told as results of Dagster: audits, drift, and what was delivered."""
