"""Commands that keep a lake sound: clean, recover, verify, backup, and what `--repair` finds."""
