"""Tables of the lake loaded into a relational warehouse."""
