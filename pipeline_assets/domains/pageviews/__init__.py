"""How much attention subjects get: daily views of their Wikipedia articles, list by list."""
