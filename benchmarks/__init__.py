"""Side-by-side timings against hand-written peers."""
