"""Statements that Athena executes: started, asked for again, and their rows."""
