"""A small encyclopaedia that answers like Wikimedia's APIs, for the demo and for tests."""
