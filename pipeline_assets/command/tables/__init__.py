"""Commands about one table: what it is, and whether what is published keeps its promises."""
