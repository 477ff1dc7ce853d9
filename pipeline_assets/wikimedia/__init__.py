"""Wikimedia's web APIs, asked politely: who asks, what was answered, and what it says of titles."""
