"""Amazon reviews: who rated what with how many stars, category by category."""
