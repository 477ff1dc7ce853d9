"""Timings of the ratings domain beside hand-written peers."""
