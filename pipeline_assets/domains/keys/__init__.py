"""Tables of the lake by key, for whoever looks up rows in milliseconds."""
