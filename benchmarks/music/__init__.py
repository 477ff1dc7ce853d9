"""Embeddings and neighbours beside their peers."""
