"""Contracts bind: what a function returns and what its contract promises are compared at load."""
